"""Where compiled kernels are kept, so that no command waits for the compiler.

Belongs here: choosing the folder before numba is imported. Does not: compiling (`vpcflow kernels`).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path


def kernel_cache_folder() -> Path:
    """Where compiled kernels are kept: beside the installation when it may be written (set-up fills it there).

    Where it may not (an image, a system-wide installation), what set-up or image build left there is copied to the
    user's cache: numba uses no folder that it cannot write.
    """
    beside = Path(sys.prefix) / "var" / "vpcflow-kernels"
    if os.access(beside if beside.exists() else sys.prefix, os.W_OK):
        return beside
    cache = Path(os.environ.get("CACHE_DIRECTORY") or os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return _copied_kernels(beside, cache / "vpcflow" / "kernels")


def _copied_kernels(beside: Path, folder: Path) -> Path:
    """`folder` with the kernels of `beside` in it, anew after an upgrade: its mark is what was copied."""
    files = sorted(path for path in beside.rglob("*") if path.is_file()) if beside.is_dir() else []
    held = hashlib.sha256()
    for path in files:
        held.update(f"{path.relative_to(beside)} {path.stat().st_size} {path.stat().st_mtime_ns}\n".encode())
    mark = folder / "copied-from"
    with suppress(OSError):  # a cache that cannot be kept: numba says so itself
        if files and (not mark.is_file() or mark.read_text() != held.hexdigest()):
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(beside, folder)
            mark.write_text(held.hexdigest())
    return folder

"""Files that are believed only whole: schema version, length and checksum before the content.

Belongs here: writing one atomically, and mapping one into memory after it was checked. Does not: the content. A file
of another schema is left alone and not used (an older or newer program wrote it); a broken one is set aside.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import struct
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from consumer.discovery.parallel import in_background
from consumer.telemetry.logs import get_logger

_MAGIC = b"VPCFLOW\x00"
_HEADER = struct.Struct("<8sIIQ32s8x")
"""Magic, kind, schema, length of the content, BLAKE2b of the content: 64 bytes, so that content is aligned."""

Buffer = bytes | memoryview


def write_sealed(file: Path, kind: int, schema: int, content: Sequence[Buffer]) -> None:
    """Write beside `file` and put it in its place. OSError when the disk does not let us."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as out:
            seal(out, kind, schema, content)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


def seal(out: BinaryIO, kind: int, schema: int, content: Sequence[Buffer]) -> None:
    """Write into an open file."""
    digest = hashlib.blake2b(digest_size=32)
    for piece in content:
        digest.update(piece)
    length = sum(memoryview(piece).nbytes for piece in content)
    out.write(_HEADER.pack(_MAGIC, kind, schema, length, digest.digest()))
    for piece in content:
        out.write(piece)


def read_sealed(file: Path, kind: int, schema: int) -> memoryview | None:
    """The content, mapped copy-on-write; None when there is no usable file. The reason is in the log."""
    log = get_logger("inventory")
    try:
        with file.open("rb") as opened:
            whole = memoryview(mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_COPY))
    except FileNotFoundError:
        return None
    except OSError as error:  # it may be whole, and another user's
        log.warning("a kept file cannot be read", file=str(file), reason=error.strerror)
        return None
    except ValueError as error:  # an empty file cannot be mapped
        _set_aside(file, str(error))
        return None
    if len(whole) < _HEADER.size:
        _set_aside(file, "it is cut off")
        return None
    magic, its_kind, its_schema, length, digest = _HEADER.unpack_from(whole)
    content = whole[_HEADER.size :]
    if (magic, its_kind) != (_MAGIC, kind):
        _set_aside(file, "it is something else")
    elif its_schema != schema:
        log.info("a file of another version is not used", file=str(file), schema=its_schema, ours=schema)
    elif len(content) != length or hashlib.blake2b(content, digest_size=32).digest() != digest:
        _set_aside(file, "its checksum is wrong")
    else:
        return content
    return None


def free_in_background(content: memoryview, file: Path) -> None:
    """Let a thread of its own free the file of `content` once that is forgotten. Called before it can be replaced.

    Who forgets the last of a replaced file frees its pages and its blocks: 30 ms for that of a large estate, most of
    them waiting for a disk that discards blocks, and the interpreter's lock held. That was the pipeline, at the first
    batch after a swap. A descriptor more, and forgetting takes 0.1 ms.
    """
    descriptor = os.open(file, os.O_RDONLY)
    end = weakref.finalize(content.obj, in_background, lambda: os.close(descriptor), "inventory-file")
    end.atexit = False


def _set_aside(file: Path, reason: str) -> None:
    aside = file.with_name(file.name + ".corrupt")
    get_logger("inventory").error("an unreadable file is set aside", file=str(aside), reason=reason)
    try:
        file.replace(aside)
    except OSError as error:
        get_logger("inventory").error("it could not be set aside", file=str(file), reason=str(error))

"""Everything that can be said about the code without running it: `make lint`, the first half of `make test`.

All checks run, also after one failed, so that one run shows everything. Exit 1 when any failed.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

CHECKS: dict[str, list[str | Path]] = {
    "format": [BIN / "ruff", "format", "--check", "--quiet", "."],
    "lint": [BIN / "ruff", "check", "--quiet", "."],
    "types": [BIN / "mypy"],
    "import rules": [BIN / "lint-imports"],
    "generated docs": [sys.executable, "-m", "scripts.generate_docs", "--check"],
}


def main() -> int:
    failed = []
    for name, argv in CHECKS.items():
        began_at = time.monotonic()
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
        print(f"{name}: {'ok' if done.returncode == 0 else 'FAILED'}, {time.monotonic() - began_at:.1f} s", flush=True)
        if done.returncode != 0:
            failed.append(name)
            print(done.stdout + done.stderr, flush=True)
    if failed:
        print(f"failed: {', '.join(failed)} (`ruff format .` and `ruff check --fix .` mend much of it)")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

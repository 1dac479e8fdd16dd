"""`python -m benchmarks` (make bench): every table, stage by stage, then the whole job.

Each in a process of its own, so that no stage finds another's memory, and the peak memory of the whole job is its own.
"""

from __future__ import annotations

import subprocess
import sys

STAGES = {
    "decode": "decode: gzip envelope to columns",
    "repeats": "select: which events went out before",
    "enrich": "enrich: columns joined with the inventory",
    "encode": "encode: columns to messages",
    "export": "encode and export: columns to the wire",
    "whole_job": "whole job",
    "where": "where a record's time goes",
    "objects": "whole job from objects: text and Parquet",
    "snapshot": "a snapshot of a large estate, loaded",
    "swap": "the longest gap between two batches while a large estate is read and swapped",
}
"""Module → title, in the order of a record's way; then what goes on beside it."""


def main() -> int:
    """The first exit code that is not 0, else 0."""
    codes = []
    for module, title in STAGES.items():
        print(f"\n## {title}\n", flush=True)
        codes.append(subprocess.run([sys.executable, "-m", f"benchmarks.{module}"], check=False).returncode)
    return next((code for code in codes if code), 0)


if __name__ == "__main__":
    sys.exit(main())

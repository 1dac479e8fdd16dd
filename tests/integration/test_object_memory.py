"""How much memory objects take: an object of any size adds little, and so do eight at once (make soak)."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest

from tests.support.endless_bucket import MEMBER_RECORDS, EndlessBucket, parquet_member, text_member
from tests.support.flow_bucket import HEADER, lines

LARGE_BYTES = 5_000_000_000
SMALL_BYTES = 10_000_000
pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]


def bucket_of_text(object_count: int, unpacked_bytes: int) -> tuple[EndlessBucket, int]:
    """Objects of at least so many bytes each, and the records of all."""
    member_count = -(-unpacked_bytes // len(HEADER + lines(0, MEMBER_RECORDS)))
    return EndlessBucket(object_count, text_member(), member_count), object_count * member_count * MEMBER_RECORDS


def bucket_of_parquet(object_count: int, record_count: int) -> tuple[EndlessBucket, int]:
    return EndlessBucket(object_count, parquet_member(record_count), 1, "log.parquet"), object_count * record_count


def peak_megabytes(folder: Path, endless: EndlessBucket, record_count: int, concurrency: int) -> float:
    """Peak resident memory of a backfill that exports every record of these objects."""
    with (
        endless as bucket,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as collector,
    ):
        collector.bind(("127.0.0.1", 0))
        process = subprocess.Popen(
            [
                sys.executable, "-m", "consumer.cli", "backfill", "--bucket", "endless", "--region", "us-east-1",
                "--from", "2026-11-20", "--to", "2026-11-21", "--rate", "0", "--concurrency", str(concurrency),
                "--collector", f"127.0.0.1:{collector.getsockname()[1]}",
            ],
            stdout=subprocess.PIPE,
            env={
                **os.environ,
                "AWS_ENDPOINT_URL": bucket.endpoint,
                "AWS_ACCESS_KEY_ID": "test",
                "AWS_SECRET_ACCESS_KEY": "test",
                "AWS_EC2_METADATA_DISABLED": "true",
                "XDG_STATE_HOME": str(folder / f"{bucket.object_count}-{bucket.size_bytes}"),
            },
        )  # fmt: skip
        peak = 0.0
        status = Path(f"/proc/{process.pid}/status")
        while process.poll() is None:
            found = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
            peak = max(peak, int(found[0].split()[1]) / 1024 if found else 0.0)
            time.sleep(0.2)
        assert process.stdout is not None
        summary = orjson.loads(process.stdout.read())
        assert process.returncode == 0
        assert summary["exported"] == record_count
        print(f"{bucket.object_count} objects of {bucket.size_bytes:,} bytes, {concurrency} at a time: {peak:.0f} MB")
        print(summary)
        return peak


def test_an_object_of_gigabytes_adds_little_memory(tmp_path: Path) -> None:
    small = peak_megabytes(tmp_path, *bucket_of_text(1, SMALL_BYTES), 1)
    large = peak_megabytes(tmp_path, *bucket_of_text(1, LARGE_BYTES), 1)
    assert large - small <= 100


def test_eight_objects_at_once_stay_within_400_megabytes(tmp_path: Path) -> None:
    assert peak_megabytes(tmp_path, *bucket_of_text(16, LARGE_BYTES // 32), 8) <= 400


def test_eight_parquet_objects_at_once_stay_within_400_megabytes(tmp_path: Path) -> None:
    assert peak_megabytes(tmp_path, *bucket_of_parquet(16, 1_200_000), 8) <= 400

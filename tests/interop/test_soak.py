"""A million records at the default pacing: what nfcapd with its default buffer loses of them."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from consumer.export.settings import CollectorSettings
from tests.interop.collectors import Nfcapd, program
from tests.interop.replaying import replay

pytestmark = [pytest.mark.foreign, pytest.mark.soak]

COUNT = 1_000_000
DEFAULT_RATE = CollectorSettings.model_fields["rate"].default


def write_million(file: Path) -> tuple[int, int]:
    """COUNT lines of AWS's default format; their packets and octets in all."""
    packets = octets = 0
    with file.open("w") as log:
        for number in range(COUNT):
            size = 40 + number % 1461
            packets += 1 + number % 97
            octets += size
            log.write(
                f"2 123456789012 eni-{number % 500:017x} 10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255} "
                f"203.0.113.{number % 250} {1024 + number % 60_000} 443 6 {1 + number % 97} {size} "
                f"{1_700_000_000 + number // 1000} {1_700_000_060 + number // 1000} ACCEPT OK\n"
            )
    return packets, octets


def totals(collector: Nfcapd) -> dict[str, int]:
    """What `nfdump -I` says of the stored files, added up."""
    found: dict[str, int] = {}
    for file in sorted((collector.folder / "nfcapd").glob("nfcapd.2*")):
        printed = subprocess.run(
            [program("nfdump"), "-r", str(file), "-I"], capture_output=True, check=True, text=True
        ).stdout
        for line in printed.splitlines():
            name, _, value = line.partition(":")
            if value.strip().isdigit():
                found[name.lower()] = found.get(name.lower(), 0) + int(value)
    return found


@pytest.mark.timeout(600)
def test_a_million_records_at_the_default_pacing_all_reach_nfcapd(tmp_path: Path) -> None:
    packets, octets = write_million(tmp_path / "flows.log")
    collector = Nfcapd(tmp_path / "collector")
    with collector:
        began = time.monotonic()
        summary = replay(tmp_path / "flows.log", collector.address, seconds=300, rate=DEFAULT_RATE)
        seconds = time.monotonic() - began
    seen = totals(collector)
    print(f"{seen['flows']:,} of {summary.records:,} records in {seconds:.1f} s, {summary.messages:,} messages")
    assert summary.exported == summary.records == COUNT
    assert (seen["flows"], seen["packets"], seen["bytes"]) == (COUNT, packets, octets)

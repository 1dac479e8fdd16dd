"""Renewing the copy of AWS's address ranges that is shipped."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import orjson
import pytest

from consumer.discovery.inventory.aws_ranges import parse_ranges
from scripts import aws_ranges
from scripts.aws_ranges import renew

OLD, NEW = "2026-01-01-00-00-00", "2026-02-01-00-00-00"


def aws_file(created: str, *services: str) -> bytes:
    """A file as AWS makes it, with one IPv4 and one IPv6 prefix a service, and each of them once more as AMAZON's."""
    blocks = [(f"3.{number}.0.0/16", f"2600:{number:x}::/32", name) for number, name in enumerate(services)]
    lines = [(v4, v6, name) for v4, v6, one in blocks for name in (one, "AMAZON")]
    return orjson.dumps(
        {
            "syncToken": "1",
            "createDate": created,
            "prefixes": [
                {"ip_prefix": v4, "region": "us-east-1", "service": name, "network_border_group": "us-east-1"}
                for v4, _, name in lines
            ],
            "ipv6_prefixes": [
                {"ipv6_prefix": v6, "region": "us-east-1", "service": name, "network_border_group": "us-east-1"}
                for _, v6, name in lines
            ],
        }
    )


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    file = tmp_path / "shipped.json.gz"
    file.write_bytes(gzip.compress(aws_file(OLD, "S3")))
    return file


def given(folder: Path, content: bytes) -> Path:
    (folder / "ip-ranges.json").write_bytes(content)
    return folder / "ip-ranges.json"


def test_the_copy_says_what_the_new_file_says_each_prefix_once(tmp_path: Path, shipped: Path) -> None:
    content = aws_file(NEW, "S3", "CLOUDFRONT")
    words = renew(given(tmp_path, content), shipped)
    copy = gzip.decompress(shipped.read_bytes())

    assert words == f"4 prefixes of {NEW} (before: 2)"
    assert set(parse_ranges(copy).ranges) == set(parse_ranges(content).ranges)
    assert parse_ranges(copy).created_at == parse_ranges(content).created_at
    assert copy.count(b'prefix":') == 4


def test_the_same_file_gives_the_same_bytes(tmp_path: Path, shipped: Path) -> None:
    source = given(tmp_path, aws_file(NEW, "S3", "EC2"))
    renew(source, shipped)
    first = shipped.read_bytes()
    renew(source, shipped)

    assert shipped.read_bytes() == first


def test_an_older_file_and_another_file_leave_the_copy_alone(tmp_path: Path, shipped: Path) -> None:
    before = shipped.read_bytes()
    with pytest.raises(ValueError, match="older than the copy"):
        renew(given(tmp_path, aws_file("2025-12-31-23-59-59", "EC2")), shipped)
    with pytest.raises(ValueError, match=r"not AWS's ip-ranges\.json"):
        renew(given(tmp_path, b"<html>"), shipped)

    assert shipped.read_bytes() == before


def test_the_command_says_what_is_wrong_with_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stops before the copy that is shipped would be touched."""
    monkeypatch.setattr(sys, "argv", ["aws_ranges", str(given(tmp_path, b"{}"))])
    with pytest.raises(SystemExit, match=r"ip-ranges\.json: not AWS's"):
        aws_ranges.main()

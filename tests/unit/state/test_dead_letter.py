"""What could not be read is kept with origin and reason, within a bound."""

from __future__ import annotations

from pathlib import Path

import orjson

from consumer.model.delivery import Origin, SourceKind
from consumer.model.tally import Reject
from consumer.state.dead_letter import DeadLetter

ORIGIN = Origin(SourceKind.KINESIS, region="eu-west-1", stream="flow", shard="shardId-0")


def test_a_reject_is_kept_with_origin_reason_and_id(tmp_path: Path) -> None:
    letter = DeadLetter(tmp_path / "dead.jsonl", 1 << 20)
    letter.write(ORIGIN, [Reject("token_count", b"2 123", "0042")])
    (line,) = letter.file.read_bytes().splitlines()
    assert orjson.loads(line) == {
        "origin": {"kind": "kinesis", "region": "eu-west-1", "stream": "flow", "shard": "shardId-0"},
        "reason": "token_count",
        "id": "0042",
        "line": "2 123",
    }


def test_bytes_that_are_not_utf8_survive_as_base64(tmp_path: Path) -> None:
    letter = DeadLetter(tmp_path / "dead.jsonl", 1 << 20)
    letter.write(ORIGIN, [Reject("invalid_utf8", b"\xff\xfe")])
    assert orjson.loads(letter.file.read_bytes())["line_base64"] == "//4="


def test_the_file_rotates_and_never_exceeds_twice_its_limit(tmp_path: Path) -> None:
    letter = DeadLetter(tmp_path / "dead.jsonl", 10_000)
    for _ in range(100):
        letter.write(ORIGIN, [Reject("token_count", b"x" * 500)])
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["dead.jsonl", "dead.jsonl.1"]
    assert all(file.stat().st_size <= 10_000 for file in files)


def test_nothing_rejected_makes_no_file(tmp_path: Path) -> None:
    letter = DeadLetter(tmp_path / "dead.jsonl", 10_000)
    letter.write(ORIGIN, [])
    assert not letter.file.exists()

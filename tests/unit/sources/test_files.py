"""A file becomes deliveries in bounded memory, whatever its shape."""

from __future__ import annotations

import gzip
import threading
from pathlib import Path

import pytest

from consumer.clock import SystemClock
from consumer.model.delivery import Delivery
from consumer.sources.chunks.cutters import JSON_LIMIT_BYTES, LINE_LIMIT_BYTES
from consumer.sources.chunks.text import CHUNK_BYTES
from consumer.sources.files import FileSource

LINE = b"2 123456789010 eni-1235b8ca 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK\n"


def deliveries(file: Path) -> list[Delivery]:
    found: list[Delivery] = []
    FileSource([str(file)], SystemClock()).run(found.append, threading.Event())
    return found


def text_of(found: list[Delivery]) -> bytes:
    return b"".join(payload for delivery in found for payload in delivery.payloads)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_text_is_cut_between_lines_and_nothing_is_lost(tmp_path: Path, pack: type[bytes]) -> None:
    text = LINE * (3 * CHUNK_BYTES // len(LINE))
    file = tmp_path / "flow.log"
    file.write_bytes(pack(text))
    found = deliveries(file)
    assert text_of(found) == text
    assert len(found) > 1
    assert all(delivery.payloads[0].endswith(b"\n") for delivery in found)


def test_chunks_of_one_file_share_the_log_format_state(tmp_path: Path) -> None:
    file = tmp_path / "flow.log"
    file.write_bytes(LINE * (2 * CHUNK_BYTES // len(LINE)))
    states = {id(delivery.text) for delivery in deliveries(file)}
    assert len(states) == 1


def test_concatenated_gzip_members_are_all_read(tmp_path: Path) -> None:
    file = tmp_path / "flow.log.gz"
    file.write_bytes(gzip.compress(LINE) + gzip.compress(LINE * 2) + b"\0" * 100)
    found = deliveries(file)
    assert text_of(found) == LINE * 3
    assert [delivery.fault for delivery in found] == [""]


def test_a_truncated_gzip_gives_its_whole_lines_and_one_fault(tmp_path: Path) -> None:
    file = tmp_path / "flow.log.gz"
    lines = b"".join(LINE.replace(b"20641", b"%d" % number) for number in range(20_000))
    file.write_bytes(gzip.compress(lines)[:-2000])
    found = deliveries(file)
    text = text_of(found)
    assert lines.startswith(text)
    assert text.endswith(b"\n")
    assert [delivery.fault for delivery in found if delivery.fault] == ["bad_gzip"]


def test_a_file_that_only_claims_to_be_gzip_is_one_fault(tmp_path: Path) -> None:
    file = tmp_path / "flow.log.gz"
    file.write_bytes(b"\x1f\x8b" + b"nonsense" * 100)
    found = deliveries(file)
    assert text_of(found) == b""
    assert [delivery.fault for delivery in found] == ["bad_gzip"]


def test_an_endless_line_is_shortened_and_the_lines_around_it_survive(tmp_path: Path) -> None:
    file = tmp_path / "flow.log"
    file.write_bytes(LINE + b"x" * (5 * CHUNK_BYTES) + b"\n" + LINE)
    lines = text_of(deliveries(file)).split(b"\n")
    assert lines[0] + b"\n" == LINE
    assert LINE_LIMIT_BYTES < len(lines[1]) <= CHUNK_BYTES * 2
    assert LINE.rstrip(b"\n") in lines[2:]


def test_json_is_handed_over_whole_and_stands_alone(tmp_path: Path) -> None:
    file = tmp_path / "envelope.json"
    file.write_bytes(b' {"messageType":"DATA_MESSAGE"}')
    (found,) = deliveries(file)
    assert found.text is None
    assert found.payloads == (b' {"messageType":"DATA_MESSAGE"}',)


def test_json_lines_are_cut_between_lines(tmp_path: Path) -> None:
    line = b'{"reason":"token_count","line":"' + b"x" * 1000 + b'"}\n'
    file = tmp_path / "dead-letter.jsonl"
    file.write_bytes(line * (20 * CHUNK_BYTES // len(line)))
    found = deliveries(file)
    assert len(found) > 1
    assert text_of(found) == file.read_bytes()
    assert all(payload.startswith(b"{") for delivery in found for payload in delivery.payloads)


def test_json_without_end_is_one_fault_and_is_not_kept_in_memory(tmp_path: Path) -> None:
    file = tmp_path / "bomb.json.gz"
    file.write_bytes(gzip.compress(b"{" + b" " * (JSON_LIMIT_BYTES + 10 * CHUNK_BYTES), compresslevel=1))
    found = deliveries(file)
    assert text_of(found) == b""
    assert [delivery.fault for delivery in found] == ["too_large"]


def test_the_name_of_an_s3_object_tells_account_and_region(tmp_path: Path) -> None:
    file = tmp_path / "123456789012_vpcflowlogs_eu-west-1_fl-0a1b_20260101T0000Z_ab12.log"
    file.write_bytes(LINE)
    (found,) = deliveries(file)
    assert (found.origin.account, found.origin.region) == ("123456789012", "eu-west-1")


def test_an_empty_file_is_no_delivery_and_no_fault(tmp_path: Path) -> None:
    file = tmp_path / "empty.log"
    file.write_bytes(b"")
    assert deliveries(file) == []

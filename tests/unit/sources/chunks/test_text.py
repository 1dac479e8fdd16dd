"""What an object is made into, beside what tests/property/test_source_objects.py says of all objects."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Iterator

import pytest

from consumer.model.log_format import LogFormat
from consumer.sources.chunks.cutters import LINE_LIMIT_BYTES
from consumer.sources.chunks.text import CHUNK_BYTES, ObjectName, Position, read_chunks

LINE = b"2 123456789010 eni-1235b8ca 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK\n"


class ConnectionLostError(Exception):
    """What a fetch may raise."""


def test_chunks_tell_where_they_end_in_the_unpacked_object() -> None:
    text = LINE * (3 * CHUNK_BYTES // len(LINE))
    chunks = list(read_chunks([gzip.compress(text)]))
    sizes = [len(chunk.payload) for chunk in chunks]
    assert [chunk.end for chunk in chunks] == [sum(sizes[: number + 1]) for number in range(len(sizes))]
    assert chunks[-1].end == len(text)
    assert all(size <= CHUNK_BYTES for size in sizes)


def test_a_position_knows_the_log_format_that_decode_learnt_from_the_chunk() -> None:
    (chunk,) = read_chunks([LINE])
    assert chunk.text is not None
    chunk.text.log_format = LogFormat.from_text("srcaddr dstaddr")
    assert chunk.position() == Position(len(LINE), LogFormat.from_text("srcaddr dstaddr"))
    (rest,) = read_chunks([LINE + LINE], chunk.position())
    assert rest.text is not None
    assert (rest.payload, rest.text.log_format) == (LINE, LogFormat.from_text("srcaddr dstaddr"))


def test_an_object_read_to_its_end_has_nothing_after_it() -> None:
    (chunk,) = read_chunks([gzip.compress(LINE)])
    assert list(read_chunks([gzip.compress(LINE)], chunk.position())) == []


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_what_powershell_redirects_is_read(encoding: str) -> None:
    text = LINE.decode() if encoding == "utf-16" else "\ufeff" + LINE.decode()
    assert [chunk.payload for chunk in read_chunks([text.encode(encoding)])] == [LINE]


def test_what_firehose_packs_twice_is_unpacked_twice() -> None:
    members = gzip.compress(LINE) + gzip.compress(LINE)
    assert [chunk.payload for chunk in read_chunks([gzip.compress(members)])] == [2 * LINE]
    (chunk,) = read_chunks([gzip.compress(members[:-9])])
    assert (chunk.payload, chunk.fault) == (2 * LINE, "bad_gzip")


@pytest.mark.parametrize(
    "content",
    [
        b"PK\3\4\x14\0\0\0",
        bz2.compress(LINE),
        lzma.compress(LINE),
        b"\x28\xb5\x2f\xfd\x24",
        gzip.compress(gzip.compress(gzip.compress(LINE))),
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    ],
    ids=["zip", "bzip2", "xz", "zstd", "gzip three times", "picture"],
)
def test_what_is_no_text_is_one_fault_and_not_many_lines(content: bytes) -> None:
    assert [(chunk.payload, chunk.fault) for chunk in read_chunks([content])] == [(b"", "not_text")]


def test_a_zero_further_on_costs_no_more_than_its_line() -> None:
    assert [chunk.fault for chunk in read_chunks([LINE + b"\0\0\n" + LINE])] == [""]


def test_an_export_of_cloudwatch_goes_on_behind_any_chunk_as_it_began() -> None:
    text = b"2026-03-04T05:06:07.000Z " + LINE
    first, *rest = read_chunks([gzip.compress(40 * text)], chunk_bytes=500)
    assert first.payload == (len(first.payload) // len(LINE)) * LINE
    assert first.end == len(first.payload) // len(LINE) * len(text)
    again = list(read_chunks([gzip.compress(40 * text)], first.position(), chunk_bytes=500))
    assert [chunk.payload for chunk in again] == [chunk.payload for chunk in rest]


def test_what_a_fetch_raises_goes_through_after_the_whole_chunks_before_it() -> None:
    def broken() -> Iterator[bytes]:
        yield LINE * (CHUNK_BYTES // len(LINE) + 10)
        raise ConnectionLostError

    chunks = read_chunks(broken())
    assert next(chunks).payload.endswith(b"\n")
    with pytest.raises(ConnectionLostError):
        next(chunks)


def test_a_line_of_gigabytes_keeps_no_more_than_its_beginning() -> None:
    def endless() -> Iterator[bytes]:
        yield LINE
        for _ in range(1000):
            yield b"x" * CHUNK_BYTES
        yield b"\n" + LINE

    first, long, last = read_chunks(endless())
    assert (first.payload, last.payload) == (LINE, LINE)
    assert len(long.payload) == LINE_LIMIT_BYTES + 2
    assert last.end == 2 * len(LINE) + 1000 * CHUNK_BYTES + 1


def test_an_objects_name_tells_who_wrote_it_in_either_layout_of_keys() -> None:
    name = "123456789012_vpcflowlogs_eu-west-1_fl-0a1b_20260101T0000Z_ab12.log.gz"
    plain = f"AWSLogs/123456789012/vpcflowlogs/eu-west-1/2026/01/01/{name}"
    hive = f"a/AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=eu-west-1/year=2026/{name}"
    expected = ObjectName("123456789012", "eu-west-1", "fl-0a1b")
    assert [ObjectName.of(key) for key in (plain, hive, name)] == [expected] * 3
    assert ObjectName.of("renamed.log.gz") == ObjectName()

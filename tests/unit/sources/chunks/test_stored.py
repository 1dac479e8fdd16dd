"""A stored object becomes chunks whatever is in it, and what a fetch raises goes through."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from consumer.decode.decoder import Decoder
from consumer.decode.fields import DEFAULT_FORMAT, TRANSIT_GATEWAY_FORMAT
from consumer.errors import RetryableError, Stopped
from consumer.model.delivery import Origin, SourceKind
from consumer.model.log_format import LogFormat
from consumer.sources.chunks import stored as object_store
from consumer.sources.chunks.stored import read_object
from consumer.sources.chunks.text import Chunk
from tests.support.parquet_files import packed, parquet_object, table
from tests.support.reference import rows_of

ROW = b"2 123456789010 eni-1235b8ca 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK"


@dataclass
class Memory:
    """A stored object in memory. `failing_at`: the read whose turn raises `error`."""

    content: bytes
    error: Exception | None = None
    failing_at: int = 1
    asked: list[tuple[int, int]] = field(default_factory=list)

    @property
    def size_bytes(self) -> int:
        return len(self.content)

    def blocks(self) -> Iterator[bytes]:
        for start in range(0, len(self.content), 1000):
            yield self.content[start : start + 1000]

    def read(self, start: int, size_bytes: int) -> bytes:
        self.asked.append((start, size_bytes))
        if self.error is not None and len(self.asked) == self.failing_at:
            raise self.error
        return self.content[start : start + size_bytes]


def flows(count: int) -> bytes:
    return packed(table([ROW.split(b" ")] * count, DEFAULT_FORMAT), row_group_size=5_000)


def row_count(chunks: list[Chunk]) -> int:
    return sum(chunk.columns.row_count for chunk in chunks if chunk.columns)


def test_a_small_parquet_object_is_one_request_and_a_large_one_many(monkeypatch: pytest.MonkeyPatch) -> None:
    small, large = Memory(flows(10_000)), Memory(flows(10_000))

    assert row_count(list(read_object(small))) == 10_000
    monkeypatch.setattr(object_store, "_WHOLE_BYTES", 100)
    assert row_count(list(read_object(large))) == 10_000

    assert small.asked == []
    assert len(large.asked) > 1


@pytest.mark.parametrize(
    "error", [Stopped("now"), RetryableError("later"), ConnectionResetError(104, "reset")], ids=repr
)
@pytest.mark.parametrize("failing_at", [1, 2])
def test_what_a_fetch_raises_is_not_taken_for_a_broken_object(
    monkeypatch: pytest.MonkeyPatch, error: Exception, failing_at: int
) -> None:
    monkeypatch.setattr(object_store, "_WHOLE_BYTES", 100)
    stored = Memory(flows(10_000), error, failing_at)

    with pytest.raises(type(error)):
        list(read_object(stored))


def test_text_is_one_stream() -> None:
    stored = Memory(b"\n".join([ROW] * 1000))

    assert b"".join(chunk.payload for chunk in read_object(stored)) == stored.content
    assert stored.asked == []


@pytest.mark.parametrize("shape", ["text", "parquet"])
def test_objects_of_transit_gateways_are_read_by_what_their_header_or_columns_say(shape: str) -> None:
    given = {
        "version": "6", "resource-type": "TransitGateway", "account-id": "123456789010", "tgw-id": "tgw-0a",
        "srcaddr": "10.0.0.1", "dstaddr": "10.1.0.2", "srcport": "443", "packets-lost-blackhole": "7",
        "start": "1418530010", "end": "1418530070", "log-status": "OK",
    }  # fmt: skip
    line = " ".join(given.get(name, "-") for name in TRANSIT_GATEWAY_FORMAT.fields)
    text = gzip.compress(f"{' '.join(TRANSIT_GATEWAY_FORMAT.fields)}\n{line}\n".encode())
    stored = Memory(text if shape == "text" else parquet_object([line], TRANSIT_GATEWAY_FORMAT))
    origin, decoder = Origin(SourceKind.S3), Decoder()

    pieces = [
        piece
        for chunk in read_object(stored)
        for piece in decoder.decode_delivery(chunk.delivery(origin, 0.0), no_format)
    ]

    assert not any(piece.rejects for piece in pieces)
    ((row,),) = [rows_of(piece.batch) for piece in pieces if piece.batch]
    assert (row["tgw-id"], row["resource-type"], row["packets-lost-blackhole"]) == (b"tgw-0a", b"TransitGateway", 7)
    assert (row["srcport"], row["dstport"]) == (443, None)


def no_format(origin: Origin) -> list[LogFormat]:
    """Nothing but the object says what its fields are."""
    return []

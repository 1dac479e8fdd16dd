"""A bucket over HTTP whose objects are as large as is asked for and lie nowhere: one gzip member, again and again.

Answers ListObjectsV2 and GetObject, whole or by range, as far as our client asks for them. What is repeated is a member
of a few megabytes, which is what re-packers make; its header line comes again with each. Objects of Parquet, which
cannot be put one after another, are one member each.
"""

from __future__ import annotations

import gzip
import io
import re
from http.server import BaseHTTPRequestHandler

import pyarrow as pa
from pyarrow import csv, parquet

from tests.support.flow_bucket import ACCOUNT, HEADER, REGION, lines
from tests.support.loopback import LoopbackServer

MEMBER_RECORDS = 40_000
_RANGE = re.compile(r"bytes=(\d+)-(\d+)")


def text_member() -> bytes:
    """MEMBER_RECORDS records, as AWS writes text."""
    return gzip.compress(HEADER + lines(0, MEMBER_RECORDS), 6, mtime=0)


def parquet_member(record_count: int) -> bytes:
    """So many records, as AWS documents Parquet: typed columns, underscores, gzip."""
    names = HEADER.decode().replace("-", "_").split()
    options = csv.ReadOptions(column_names=names), csv.ParseOptions(delimiter=" ")
    table = csv.read_csv(io.BytesIO(lines(0, record_count)), *options, csv.ConvertOptions(null_values=["-"]))
    ids = table.schema.get_field_index("account_id")
    file = io.BytesIO()
    parquet.write_table(
        table.set_column(ids, "account_id", table["account_id"].cast(pa.string())), file, compression="gzip"
    )
    return file.getvalue()


class EndlessBucket(LoopbackServer):
    """`object_count` objects of `member_count` members each."""

    def __init__(self, object_count: int, member: bytes, member_count: int, ending: str = "log.gz") -> None:
        self.object_count = object_count
        self.member = member
        self.member_count = member_count
        self.ending = ending
        bucket = self

        class Handler(_Handler):
            endless = bucket

        super().__init__(Handler)

    @property
    def size_bytes(self) -> int:
        """Of an object, packed."""
        return len(self.member) * self.member_count

    def listing(self) -> bytes:
        """All objects, whatever the prefix."""
        folder = f"AWSLogs/{ACCOUNT}/vpcflowlogs/{REGION}/2026/11/20"
        objects = "".join(
            f"<Contents><Key>{folder}/{ACCOUNT}_vpcflowlogs_{REGION}_fl-0123456789abcdef0_20261120T0005Z_{number:08x}"
            f".{self.ending}</Key><LastModified>2026-11-20T00:10:00.000Z</LastModified><ETag>&quot;{number}&quot;</ETag>"
            f"<Size>{self.size_bytes}</Size></Contents>"
            for number in range(self.object_count)
        )
        head = '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>endless</Name>'
        return f"{head}<IsTruncated>false</IsTruncated>{objects}</ListBucketResult>".encode()


class _Handler(BaseHTTPRequestHandler):
    endless: EndlessBucket
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if "list-type=2" in self.path:
            content = self.endless.listing()
            self._head(200, len(content), "application/xml")
            self.wfile.write(content)
            return
        asked = _RANGE.fullmatch(self.headers.get("Range", ""))
        start, stop = (int(asked[1]), int(asked[2]) + 1) if asked else (0, self.endless.size_bytes)
        self._head(206 if asked else 200, stop - start, "application/octet-stream")
        member = self.endless.member
        try:
            while start < stop:
                piece = member[start % len(member) :][: stop - start]
                self.wfile.write(piece)
                start += len(piece)
        except OSError:
            self.close_connection = True

    def _head(self, status: int, size: int, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(size))
        self.send_header("Content-Type", kind)
        self.send_header("ETag", f'"{self._number()}"')
        self.end_headers()

    def _number(self) -> int:
        """Of the object in the path; its entity tag."""
        return int(self.path.rpartition("_")[2].partition(".")[0], 16) if self.endless.ending in self.path else 0

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""

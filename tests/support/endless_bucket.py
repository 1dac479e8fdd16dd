"""A bucket over HTTP whose objects are as large as is asked for and lie nowhere: one gzip member, again and again.

Answers ListObjectsV2 and GetObject, whole or by range, as far as our client asks for them. What is repeated is a member
of a few megabytes, which is what re-packers make; its header line comes again with each.
"""

from __future__ import annotations

import gzip
import re
from http.server import BaseHTTPRequestHandler

from tests.support.flow_bucket import ACCOUNT, HEADER, REGION, lines
from tests.support.loopback import LoopbackServer

MEMBER_RECORDS = 40_000
_RANGE = re.compile(r"bytes=(\d+)-(\d+)")


class EndlessBucket(LoopbackServer):
    """`object_count` objects of at least `unpacked_bytes` each."""

    def __init__(self, object_count: int, unpacked_bytes: int) -> None:
        text = HEADER + lines(0, MEMBER_RECORDS)
        self.member = gzip.compress(text, 6, mtime=0)
        self.member_count = -(-unpacked_bytes // len(text))
        self.object_count = object_count
        self.record_count = object_count * self.member_count * MEMBER_RECORDS
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
            f"<Contents><Key>{folder}/{ACCOUNT}_vpcflowlogs_{REGION}_fl-0123456789abcdef0_20261120T0005Z_{number:08x}.log.gz"
            f"</Key><LastModified>2026-11-20T00:10:00.000Z</LastModified><ETag>&quot;{number}&quot;</ETag>"
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
        return int(self.path.rpartition("_")[2].partition(".")[0], 16) if ".log.gz" in self.path else 0

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""

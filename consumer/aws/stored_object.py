"""One object of a bucket as a stream of bytes that survives a broken connection.

Belongs here: GetObject, whole or by ranges, always of the same state of the object (If-Match). Does not: what the bytes
mean (sources/). S3 API reference, GetObject; S3 user guide, "Best practices: retry".
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import urllib3.exceptions
from botocore.exceptions import BotoCoreError

from consumer.aws.operations import GET_OBJECT
from consumer.aws.roles import Target
from consumer.aws.sessions import Sessions
from consumer.clock import Clock
from consumer.errors import RetryableError, Stopped

BLOCK_BYTES = 256 << 10
RETRY_COUNT = 8
"""Tries in a row that give not one byte; with the waits between them about a minute."""
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.5, 15.0
_BROKEN = (BotoCoreError, OSError, urllib3.exceptions.HTTPError)


@dataclass(frozen=True, slots=True)
class Place:
    """An object and how it is asked for. `requester_pays`: we pay for the request. `owner`: account that must own the
    bucket, empty = any."""

    target: Target
    bucket: str
    key: str
    requester_pays: bool = False
    owner: str = ""

    def parameters(self) -> dict[str, Any]:
        """Of every call about the object."""
        parameters: dict[str, Any] = {"Bucket": self.bucket, "Key": self.key}
        if self.requester_pays:
            parameters["RequestPayer"] = "requester"
        if self.owner:
            parameters["ExpectedBucketOwner"] = self.owner
        return parameters


class StoredObject:
    """Mutable, one thread. `open` says what the object is; `blocks` and `read` then give its bytes.

    Both block, ask again from the byte where a connection broke, back off when throttled, and raise RetryableError
    when that does not help, RefusedError with code PreconditionFailed when the object was replaced meanwhile, Stopped
    when `stop` is set while they wait. `read_bytes` were fetched; `retries`: how often a read
    was taken up again.
    """

    def __init__(self, sessions: Sessions, place: Place, clock: Clock, stop: threading.Event) -> None:
        self.place = place
        self.etag = ""
        self.size_bytes = 0
        self.read_bytes = 0
        self.retries = 0
        self._sessions = sessions
        self._clock = clock
        self._stop = stop
        self._body: Any = None

    def open(self) -> None:
        """Ask for the whole object. Raises what Sessions.call raises."""
        answer = self._sessions.call(GET_OBJECT, self.place.target, **self.place.parameters())
        self.etag = str(answer.get("ETag", "")).strip('"')
        self.size_bytes = int(answer.get("ContentLength", 0))
        self._body = answer["Body"]

    def close(self) -> None:
        """Let go of the connection; what was not read is not fetched."""
        body, self._body = self._body, None
        if body is not None:
            body.close()

    def blocks(self) -> Iterator[bytes]:
        """All bytes in order, at most BLOCK_BYTES at once."""
        position = 0
        failures = 0
        while position < self.size_bytes:
            try:
                if self._body is None:
                    self._body = self._ask(position, self.size_bytes)
                block = self._body.read(BLOCK_BYTES)
                if not block:
                    raise OSError("the answer ended early")
            except (*_BROKEN, RetryableError) as error:
                self._wait(failures, error)
                failures += 1
                continue
            failures = 0
            position += len(block)
            self.read_bytes += len(block)
            yield block
        self.close()

    def read(self, start: int, size_bytes: int) -> bytes:
        """`size_bytes` from `start`, fewer at the end of the object."""
        end = min(start + size_bytes, self.size_bytes)
        if start >= end:
            return b""
        self.close()  # the open stream is of no use to whoever reads here and there
        found = bytearray()
        failures = 0
        while len(found) < end - start:
            body = None
            try:
                body = self._ask(start + len(found), end)
                while block := body.read(BLOCK_BYTES):
                    found += block
                    failures = 0
                if len(found) < end - start:
                    raise OSError("the answer ended early")
            except (*_BROKEN, RetryableError) as error:
                self._wait(failures, error)
                failures += 1
            finally:
                if body is not None:
                    body.close()
        self.read_bytes += len(found)
        return bytes(found)

    def _ask(self, start: int, end: int) -> Any:
        parameters = {**self.place.parameters(), "IfMatch": f'"{self.etag}"', "Range": f"bytes={start}-{end - 1}"}
        return self._sessions.call(GET_OBJECT, self.place.target, **parameters)["Body"]

    def _wait(self, failures: int, error: Exception) -> None:
        self.close()
        if failures >= RETRY_COUNT:
            raise RetryableError(f"s3:GetObject of {self.place.bucket}/{self.place.key}: {error}") from error
        self.retries += 1
        if self._clock.wait(self._stop, min(_FIRST_WAIT_SECONDS * 2**failures, _LONGEST_WAIT_SECONDS)):
            raise Stopped("a stop was asked for while an object was read") from error

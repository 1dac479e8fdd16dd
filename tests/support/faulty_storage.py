"""S3 and SQS on a bad day: a proxy in front of moto that refuses, throttles, and breaks answers in the middle."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler

from tests.support.loopback import LoopbackServer


@dataclass(frozen=True)
class Request:
    """`action`: of SQS's JSON protocol (`ReceiveMessage`), empty for S3."""

    method: str
    path: str
    headers: dict[str, str]
    action: str

    @property
    def is_get_object(self) -> bool:
        """Not a listing, not a question about the bucket."""
        return self.method == "GET" and not self.action and "/" in self.path.strip("/") and "?" not in self.path


@dataclass(frozen=True)
class Refuse:
    """Answer with this error instead."""

    status: int
    code: str
    message: str = "no"


@dataclass(frozen=True)
class CutAfter:
    """Forward, and break the connection after so many bytes of the body."""

    size_bytes: int


Trouble = Refuse | CutAfter | None


class FaultyStorage(LoopbackServer):
    """An endpoint for S3 and SQS; `trouble` is asked about every request, and a request hangs as long as it does."""

    def __init__(self, upstream: str) -> None:
        self.trouble: Callable[[Request], Trouble] = lambda _: None
        self.requests: list[Request] = []
        self._upstream = upstream.removeprefix("http://")
        super().__init__(self._handler())

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                action = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Request(self.command, self.path, headers, action)
                outer.requests.append(request)
                trouble = outer.trouble(request)
                with suppress(OSError, http.client.HTTPException):
                    if isinstance(trouble, Refuse):
                        self._refuse(trouble, is_json=bool(action))
                    else:
                        self._forward(body, trouble)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer  # noqa: N815  the base class's names

            def _refuse(self, trouble: Refuse, *, is_json: bool) -> None:
                text = f"<Error><Code>{trouble.code}</Code><Message>{trouble.message}</Message></Error>"
                if is_json:
                    text = json.dumps({"__type": trouble.code, "message": trouble.message})
                self.send_response(trouble.status)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(text.encode())

            def _forward(self, body: bytes, trouble: CutAfter | None) -> None:
                connection = http.client.HTTPConnection(outer._upstream, timeout=60)
                try:
                    headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
                    connection.request(self.command, self.path, body, headers)
                    answer = connection.getresponse()
                    content = answer.read()
                finally:
                    connection.close()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("content-length", "transfer-encoding", "connection", "server", "date"):
                        self.send_header(name, value)
                length = answer.getheader("Content-Length") if self.command == "HEAD" else len(content)
                self.send_header("Content-Length", str(length))
                self.end_headers()
                if trouble is not None and len(content) > trouble.size_bytes:
                    self.wfile.write(content[: trouble.size_bytes])
                    self.wfile.flush()
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                elif self.command != "HEAD":
                    self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
                pass

        return Handler

"""What stands between an agent and the emulated AWS: a way that can be cut, and a service that can be throttled."""

from __future__ import annotations

import http.client
import socket
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tests.support.loopback import LoopbackServer

THROTTLED = b'{"__type": "ThrottlingException", "message": "Rate exceeded"}'


class TcpProxy:
    """Carries connections to a port of this machine, from `__enter__` to `__exit__`; `cut` ends them and lets no new
    one through until `mend`."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._is_cut = threading.Event()
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cut()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def cut(self) -> None:
        """As when the network fails: every connection ends, new ones are closed at once."""
        with self._lock:
            self._is_cut.set()
            for each in self._sockets:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        with self._lock:
            self._is_cut.clear()

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, name="proxy", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self._target, timeout=5)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            with self._lock:
                if self._is_cut.is_set():
                    near.close()
                    far.close()
                    continue
                self._sockets |= {near, far}
            self._start(self._carry, near, far)
            self._start(self._carry, far, near)

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._sockets -= {source}
        source.close()


class ThrottlingProxy(LoopbackServer):
    """An endpoint in front of moto; `refuses(operation)` says whether a call (`FilterLogEvents`) is throttled."""

    def __init__(self, endpoint: str, refuses: Callable[[str], bool]) -> None:
        self.calls: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        proxy = self
        target = urlsplit(endpoint)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                operation = str(self.headers.get("X-Amz-Target", "")).rpartition(".")[2]
                if refuses(operation):
                    proxy.refused[operation] += 1
                    self._answer(400, "application/x-amz-json-1.1", THROTTLED)
                    return
                proxy.calls[operation] += 1
                link = http.client.HTTPConnection(str(target.hostname), target.port, timeout=60)
                link.request("POST", self.path, body, dict(self.headers.items()))
                answer = link.getresponse()
                self._answer(answer.status, answer.headers.get("Content-Type", ""), answer.read())
                link.close()

            def _answer(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  the base class's word
                return None

        super().__init__(Handler)

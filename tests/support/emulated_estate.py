"""A moto server of its own with the demo's network in it, and AWS as it is on a bad day in front of it.

`MotoServer` is the emulator; `FaultyAws` stands between us and it and answers chosen calls with AWS's own errors.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs

from consumer.demo.emulators import free_ports
from tests.support.loopback import LoopbackServer

START_SECONDS = 180.0


class MotoServer:
    """moto server as a child process, on loopback; `endpoint` after `__enter__`."""

    def __enter__(self) -> Self:
        (port,) = free_ports(1)
        self.endpoint = f"http://127.0.0.1:{port}"
        run = "import sys; from moto.server import main; sys.exit(main(sys.argv[1:]))"
        self._process = subprocess.Popen(
            [sys.executable, "-c", run, "-H", "127.0.0.1", "-p", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "MOTO_EC2_LOAD_DEFAULT_AMIS": "false"},
        )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self._process.poll() is None, "moto server ended"
            assert time.monotonic() < deadline, "moto server does not answer"
            time.sleep(0.05)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait()

    def reset(self) -> None:
        """Forget everything that was made in it."""
        with urllib.request.urlopen(
            urllib.request.Request(f"{self.endpoint}/moto-api/reset", method="POST"), timeout=180
        ):
            pass

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.endpoint}/moto-api/", timeout=2) as answer:
                return int(answer.status) == 200
        except OSError:
            return False


Fault = tuple[int, str, str]
"""HTTP status, error code, message."""
DENIED: Fault = (403, "UnauthorizedOperation", "You are not authorized to perform this operation.")
THROTTLED: Fault = (503, "RequestLimitExceeded", "Request limit exceeded.")


class FaultyAws(LoopbackServer):
    """An endpoint for the Query (EC2, STS) and JSON protocols that forwards to `upstream`, unless `fault_of` says no.

    `fault_of(action, parameters)` is asked for every request; parameters as sent, one value each (of JSON the texts),
    plus `access_key` and `region` of the signature. A request hangs as long as `fault_of` does. `calls` counts every
    request by action. `answer_of(action)`: an answer of our own, where the emulator has none.
    """

    def __init__(self, upstream: str = "") -> None:
        self.fault_of: Callable[[str, dict[str, str]], Fault | None] = lambda action, parameters: None
        self.answer_of: Callable[[str], bytes | None] = {"DescribeAccountPolicies": b'{"accountPolicies": []}'}.get
        self.calls: Counter[str] = Counter()
        self._upstream = upstream.removeprefix("http://")
        super().__init__(self._handler())

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                parameters = {name: values[0] for name, values in parse_qs(body.decode()).items()}
                signature = re.search(r"Credential=([^/]+)/\d+/([^/]+)/", self.headers.get("Authorization", ""))
                if signature:
                    parameters["access_key"], parameters["region"] = signature.groups()
                json_action = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
                if json_action:
                    given = json.loads(body).items()
                    parameters |= {name: value for name, value in given if isinstance(value, str)}
                action = json_action or parameters.get("Action", "")
                outer.calls[action] += 1
                fault = outer.fault_of(action, parameters)
                # A request that hung may outlive its test, its client and the emulator; nobody waits for it then.
                with suppress(OSError, http.client.HTTPException):
                    own = outer.answer_of(action)
                    if own is not None:
                        status, answer = 200, own
                    elif fault is None:
                        status, answer = outer._forward(self, body)
                    else:
                        status, answer = fault[0], _json_answer(fault) if json_action else _answer(fault)
                    self._reply(status, answer)

            def _reply(self, status: int, answer: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "text/xml")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
                pass

        return Handler

    def _forward(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self._upstream, timeout=30)
        try:
            headers = {name: value for name, value in request.headers.items() if name.lower() != "connection"}
            connection.request("POST", request.path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def _answer(fault: Fault) -> bytes:
    """The error, so that both parsers find it: EC2 reads Response/Errors, STS reads ErrorResponse/Error."""
    _, code, message = fault
    error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return f"<Response><Errors>{error}</Errors>{error}<RequestID>1</RequestID></Response>".encode()


def _json_answer(fault: Fault) -> bytes:
    return json.dumps({"__type": fault[1], "message": fault[2]}).encode()

"""The HTTP endpoint of the agent: /metrics (Prometheus), /health (reasons), /ready. Loopback by default.

/health answers 200 while the agent can do its job or waits for somebody (a collector that is away), 503 when a
part of it fails; the body says which and why either way.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from consumer.errors import ConfigurationError, Fault
from consumer.telemetry.health import Health
from consumer.telemetry.metrics import Metrics


class TelemetryServer:
    """Serves until `close`; one daemon thread."""

    def __init__(
        self, host: str, port: int, metrics: Metrics, health: Health, details: Callable[[], dict[str, Any]]
    ) -> None:
        self._address = (host, port)
        self._metrics = metrics
        self._health = health
        self._details = details
        self._server: ThreadingHTTPServer | None = None

    @property
    def port(self) -> int:
        """The bound port; 0 before `start`."""
        return int(self._server.server_address[1]) if self._server else 0

    def start(self) -> None:
        """Bind and serve. ConfigurationError when the address is taken."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, kind, body = outer._answer(self.path.split("?")[0])
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002, ARG002  a scrape is not news
                return

        try:
            self._server = ThreadingHTTPServer(self._address, Handler)
        except OSError as error:
            host, port = self._address
            fault = Fault(
                "telemetry.listen",
                f"{host}:{port}",
                error.strerror or str(error),
                "choose a free address, port 0 for any",
            )
            raise ConfigurationError([fault]) from error
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, name="telemetry", daemon=True).start()

    def close(self) -> None:
        """Stop serving and free the port."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _answer(self, path: str) -> tuple[int, str, bytes]:
        if path == "/metrics":
            return 200, CONTENT_TYPE_LATEST, generate_latest(self._metrics.registry)
        if path in ("/health", "/ready"):
            overall = self._health.overall()
            is_up = overall != "failing" if path == "/health" else overall == "ok"
            body = {
                "status": overall,
                "components": {
                    name: {"state": item.state, "reason": item.reason, "since": item.since}
                    for name, item in self._health.snapshot().items()
                },
                **self._details(),
            }
            return (200 if is_up else 503), "application/json", orjson.dumps(body, option=orjson.OPT_INDENT_2)
        return 404, "text/plain", b"try /metrics, /health or /ready\n"

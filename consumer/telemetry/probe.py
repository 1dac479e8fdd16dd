"""Asks a running agent for its health: what a container's health check and a supervisor's script run.

Belongs here: one request and what it means. Does not: the registry (health.py), the endpoint (server.py).
"""

from __future__ import annotations

import http.client
from dataclasses import dataclass

import orjson

PROBE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Answer:
    """`is_up`: the agent answers and no part of it fails; one that waits for a collector is up."""

    is_up: bool
    lines: tuple[str, ...]


def ask(listen: str) -> Answer:
    """Ask the agent that was told to listen at `listen` (telemetry.listen). Blocks at most PROBE_SECONDS."""
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    # An agent that listens on every address is asked on loopback.
    connection = http.client.HTTPConnection(
        {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), int(port), timeout=PROBE_SECONDS
    )
    try:
        connection.request("GET", "/health")
        answer = connection.getresponse()
        body = orjson.loads(answer.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Answer(False, (f"no agent answers at {listen}: {error}",))
    finally:
        connection.close()
    parts: dict[str, dict[str, str]] = body.get("components", {})
    said = [f"{name}: {part['state']}, {part['reason']}" for name, part in parts.items() if part["state"] != "ok"]
    return Answer(answer.status == http.client.OK, (body["status"], *said))

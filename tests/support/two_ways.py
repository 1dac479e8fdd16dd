"""Flows that reach an agent by both ways, as in AWS: a log group of the emulator, and the stream it is subscribed to.

Each event has one id by both ways.
"""

from __future__ import annotations

import gzip
import json
import time
from ipaddress import IPv4Address

from consumer.demo.emulators import ACCOUNT
from tests.support.estate import Estate
from tests.support.flow_agent import FLOWS_PER_RECORD
from tests.support.steady import Steady

_FIRST_ADDRESS = int(IPv4Address("10.0.0.0"))
LOG_STREAM = "eni-0123456789abcdef0-all"


class TwoWays(Steady):
    """Steady flows, each written into the log group and into the stream.

    `sent`: numbers below it were written. `is_subscribed`: false = they come into the log group only, as when the
    subscription is broken.
    """

    def __init__(self, estate: Estate, group: str, batches_per_second: float = 2.0) -> None:
        super().__init__(1 / batches_per_second)
        self.sent = 0
        self.is_subscribed = True
        self._estate = estate
        self._group = group
        self._logs = estate.client("logs")
        self._logs.create_log_group(logGroupName=group)
        self._logs.create_log_stream(logGroupName=group, logStreamName=LOG_STREAM)

    def turn(self) -> None:
        """One batch: log events, and the record that the subscription makes of them."""
        now_ms = time.time_ns() // 1_000_000
        numbers = range(self.sent, self.sent + FLOWS_PER_RECORD)
        events = [{"timestamp": now_ms, "message": _line(number, now_ms // 1000)} for number in numbers]
        self._logs.put_log_events(logGroupName=self._group, logStreamName=LOG_STREAM, logEvents=events)
        found = self._logs.filter_log_events(logGroupName=self._group, startTime=now_ms, endTime=now_ms)["events"]
        ids = {event["message"]: str(event["eventId"]) for event in found}
        if self.is_subscribed:
            self._estate.put([_envelope(self._group, [{"id": ids[event["message"]], **event} for event in events])])
        self.sent += FLOWS_PER_RECORD


def _line(number: int, start: int) -> str:
    return (
        f"2 {ACCOUNT} eni-0123456789abcdef0 {IPv4Address(_FIRST_ADDRESS + number)} 192.0.2.7 "
        f"49152 443 6 10 8400 {start} {start} ACCEPT OK"
    )


def _envelope(group: str, events: list[dict[str, object]]) -> bytes:
    content = {
        "messageType": "DATA_MESSAGE",
        "owner": ACCOUNT,
        "logGroup": group,
        "logStream": LOG_STREAM,
        "subscriptionFilters": ["vpcflow"],
        "logEvents": events,
    }
    return gzip.compress(json.dumps(content).encode(), compresslevel=1)

"""CloudWatch Logs as far as polling sees it, on a manual clock: events that show up late, pages, throttling, denials.

Belongs here: what AWS does. `PolledLogs` implements sources.cloudwatch.GroupCalls; `Receiver` plays the pipeline with
the rules of select: by arrival, then by id.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from consumer.aws.log_events import LogStream, Page
from consumer.model.delivery import Delivery
from tests.support.clock import ManualClock


@dataclass(frozen=True)
class LogEvent:
    """`timestamp`: what it says; `arrival`: when it can be seen (both Unix seconds)."""

    number: int
    timestamp: float
    arrival: float
    stream: str = "eni-0-all"


@dataclass
class PolledLogs:
    """One log group. `page_size` events a page; `fault` is asked before each call with the name of the operation and
    raises what AWS would answer. `ahead_seconds`: AWS's clock minus ours. `call_seconds`: how long a call takes."""

    clock: ManualClock
    page_size: int = 100
    ahead_seconds: float = 0.0
    call_seconds: float = 0.0
    events: list[LogEvent] = field(default_factory=list)
    fault: Callable[[str], None] = lambda operation: None
    calls: Counter[str] = field(default_factory=Counter)
    windows: list[tuple[str, float, float | None, str | None]] = field(default_factory=list)
    group_class: str = "STANDARD"
    gives_empty_pages: bool = False
    on_call: Callable[[], None] = lambda: None

    def now(self) -> float:
        return self.clock.now() + self.ahead_seconds

    def filter(self, start: float, end: float | None, token: str | None) -> Page:
        return self._page("FilterLogEvents", start, end, token, None)

    def of_stream(self, stream: str, start: float, end: float | None, token: str | None) -> Page:
        return self._page("GetLogEvents", start, end, token, stream)

    def streams(self) -> Iterator[LogStream]:
        self.fault("DescribeLogStreams")
        self.calls["DescribeLogStreams"] += 1
        seen: dict[str, float] = {}
        for event in self.events:
            if event.arrival <= self.now():
                seen[event.stream] = max(seen.get(event.stream, 0.0), event.arrival)
        return iter([LogStream(name, at) for name, at in seen.items()])

    def storage_class(self) -> str:
        return self.group_class

    def _page(self, operation: str, start: float, end: float | None, token: str | None, stream: str | None) -> Page:
        self.on_call()
        self.calls[operation] += 1
        self.windows.append((operation, start, end, token))
        self.fault(operation)
        visible = sorted(
            (event.timestamp, event.number, event)
            for event in self.events
            if event.arrival <= self.now()
            and start <= event.timestamp < (end if end is not None else float("inf"))
            and stream in (None, event.stream)
        )
        answered_at = float(int(self.now()))
        self.clock.advance(self.call_seconds)
        if self.gives_empty_pages and token is None:
            return Page(b'{"events": [], "nextToken": "-1e99 0"}', "-1e99 0", answered_at)
        if token is not None:
            after_time, after_number = token.split()
            visible = [one for one in visible if one[:2] > (float(after_time), int(after_number))]
        page = visible[: self.page_size]
        following = f"{page[-1][0]!r} {page[-1][1]}" if len(visible) > self.page_size else None
        return Page(_body([one[2] for one in page], stream), following, answered_at)


def _body(events: list[LogEvent], stream: str | None) -> bytes:
    shown = [
        {
            **({} if stream else {"eventId": str(event.number), "logStreamName": event.stream}),
            "timestamp": round(event.timestamp * 1000),
            "ingestionTime": round(event.arrival * 1000),
            "message": f"flow {event.number}",
        }
        for event in events
    ]
    return json.dumps({"events": shown}).encode()


class Receiver:
    """Exports what is delivered: `exported` counts events by number. `remember_seconds` None: ids are never forgotten.

    It may outlive a source, as the file of repeats outlives an agent.
    """

    def __init__(self, clock: ManualClock, remember_seconds: float | None = None) -> None:
        self.exported: Counter[int] = Counter()
        self.deliveries: list[Delivery] = []
        self.exported_at: dict[int, float] = {}
        self.on_delivery: Callable[[Delivery], None] = lambda delivery: None
        self._clock = clock
        self._remember_seconds = remember_seconds
        self._seen: dict[int, float] = {}

    def process(self, delivery: Delivery) -> None:
        self.on_delivery(delivery)
        now = self._clock.monotonic()
        for payload in delivery.payloads:
            for event in json.loads(payload)["events"]:
                number = int(event["message"].removeprefix("flow "))
                if event["ingestionTime"] <= delivery.arrived_after * 1000:
                    continue
                is_known = number in self._seen and (
                    self._remember_seconds is None or now - self._seen[number] <= self._remember_seconds
                )
                self._seen[number] = now
                if not is_known:
                    self.exported[number] += 1
                    self.exported_at.setdefault(number, self._clock.now())
        self.deliveries.append(delivery)
        delivery.acknowledge()

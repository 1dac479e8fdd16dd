"""Whatever order events arrive in, and wherever the agent is killed: polling loses none and, with repeats removed by
arrival and by id, gives none twice."""

from __future__ import annotations

import threading
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import example, given, settings
from hypothesis import strategies as st

from consumer.errors import RetryableError, Stopped
from consumer.model.delivery import Delivery
from consumer.model.place import LogGroupKey
from consumer.sources.cloudwatch.budget import Budget
from consumer.sources.cloudwatch.settings import PollingSettings
from consumer.sources.cloudwatch.source import CloudWatchSource
from consumer.state.cursors import Cursors
from tests.support.clock import ManualClock
from tests.support.polled_logs import LogEvent, PolledLogs, Receiver
from tests.unit.sources.cloudwatch.test_source import Seen

LOOK_BACK = 1_200.0
GROUP = LogGroupKey("123456789012", "us-east-1", "/vpc/flow")

_EVENTS = st.lists(
    st.tuples(st.floats(0, 5_000), st.floats(-30, LOOK_BACK - 2), st.sampled_from(["eni-0", "eni-1", "eni-2"])),
    max_size=60,
)
_BREAKS = st.lists(
    st.tuples(st.floats(1, 1_500), st.sampled_from(["stop", "kill", "page"]), st.floats(0, 4_000)), max_size=5
)


class Killed(BaseException):
    """The process is gone: nothing after this runs."""


@given(
    _EVENTS,
    _BREAKS,
    st.integers(1, 20),
    st.integers(1, 4),
    st.sampled_from([10.0, 30.0, 300.0]),
    st.lists(st.integers(0, 200), max_size=30).map(frozenset),
)
@example([(0.0, 0.0, "eni-0")], [(1.0, "stop", 300.0)], 1, 1, 10.0, frozenset({1}))  # throttled, then stopped at once
@settings(max_examples=150, deadline=None)
def test_any_order_of_arrival_and_any_restart_lose_and_repeat_nothing(
    events: list[tuple[float, float, str]],
    breaks: list[tuple[float, str, float]],
    page_size: int,
    sweep_page_count: int,
    interval: float,
    throttled: frozenset[int],
) -> None:
    clock = ManualClock()
    logs = PolledLogs(clock, page_size=page_size)
    receiver = Receiver(clock)
    start = clock.now()
    for number, (at, late, stream) in enumerate(events):
        logs.events.append(LogEvent(number, start + at - late, start + at, stream))
    chosen = PollingSettings(
        interval_seconds=interval, look_back_seconds=LOOK_BACK, sweep_page_count=sweep_page_count, since="0s"
    )
    made = 0

    def fault(operation: str) -> None:
        nonlocal made
        made += 1
        if made in throttled:
            raise RetryableError("ThrottlingException")

    logs.fault = fault
    with TemporaryDirectory() as folder:
        for seconds, how, away in [*breaks, (8_000.0, "stop", 0.0)]:
            _run(clock, logs, receiver, chosen, Path(folder), seconds, how)
            clock.advance(away)

    # The position is kept at most once a second and never after a kill: what the margin covers is told by ids.
    assert receiver.exported == dict.fromkeys(range(len(events)), 1)


def _run(
    clock: ManualClock,
    logs: PolledLogs,
    receiver: Receiver,
    chosen: PollingSettings,
    folder: Path,
    seconds: float,
    how: str,
) -> None:
    """One life of an agent, ended by a stop, by kill -9 while it waits, or by a page that cannot be exported."""
    cursors = Cursors(folder / "cursors.sqlite", clock)
    share = Budget(4.0, 3.0, clock).share(GROUP.name)
    source = CloudWatchSource(GROUP, logs, chosen, cursors, share, clock, Seen(), jitter=lambda: 0.5)
    stop = threading.Event()
    end = clock.elapsed + seconds

    def look(_: float) -> None:
        if clock.elapsed >= end:
            if how == "kill":
                raise Killed
            stop.set()

    def refuse(_: Delivery) -> None:
        if how == "page" and clock.elapsed >= end - seconds / 2:
            raise Stopped("asked to")

    clock.on_wait, receiver.on_delivery = look, refuse
    try:
        source.run(receiver.process, stop)
    except Killed:
        return
    cursors.close()

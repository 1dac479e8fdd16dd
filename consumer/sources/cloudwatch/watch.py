"""Whether a polled log group can be read, told from what its source says.

Belongs here: that one figure. Does not: deciding by it (select/stand_in.py), health and metrics (report.py).
"""

from __future__ import annotations

from consumer.sources.cloudwatch.source import Outcome, PollingObserver, State


class PollingWatch:
    """Implements PollingObserver and tells `inner` everything. One thread tells, any may ask for `trouble`.

    A page that is answered ends every trouble. Another agent that polls the group is none.
    """

    def __init__(self, inner: PollingObserver, trouble: str = "") -> None:
        self.trouble = trouble
        """Why no page is answered; empty = the last one was, or nobody has asked yet."""
        self._inner = inner
        self._was_put_off = False

    def failed(self, reason: str) -> None:
        """The source itself ended by a fault; it is tried again."""
        self.trouble = reason

    def state(self, state: State, reason: str) -> None:
        if state == "failing" or (state == "waiting" and self._was_put_off):
            self.trouble = reason
        self._inner.state(state, reason)

    def called(self, outcome: Outcome) -> None:
        self._was_put_off = outcome == "later"
        if outcome == "answered":
            self.trouble = ""
        self._inner.called(outcome)

    def passed(self, page_count: int, seconds: float, interval_seconds: float) -> None:
        self._inner.passed(page_count, seconds, interval_seconds)

    def exported(self, until: float) -> None:
        self._inner.exported(until)

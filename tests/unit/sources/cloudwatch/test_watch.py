"""Whether a polled log group can be read, told from what its source says."""

from __future__ import annotations

from consumer.sources.cloudwatch.source import Outcome, State
from consumer.sources.cloudwatch.watch import PollingWatch


class Deaf:
    """Hears and forgets."""

    def state(self, state: State, reason: str) -> None:
        pass

    def called(self, outcome: Outcome) -> None:
        pass

    def passed(self, page_count: int, seconds: float, interval_seconds: float) -> None:
        pass

    def exported(self, until: float) -> None:
        pass


def test_a_refusal_is_trouble_until_a_page_is_answered() -> None:
    watch = PollingWatch(Deaf())
    assert watch.trouble == ""
    watch.called("refused")
    watch.state("failing", "logs:FilterLogEvents denied")
    assert watch.trouble == "logs:FilterLogEvents denied"
    watch.called("answered")
    assert watch.trouble == ""


def test_calls_that_are_put_off_are_trouble_until_one_is_answered() -> None:
    watch = PollingWatch(Deaf())
    watch.called("later")
    watch.state("waiting", "throttled; it goes on where it was")
    assert watch.trouble.startswith("throttled")
    watch.called("answered")
    assert watch.trouble == ""


def test_a_group_that_another_agent_polls_is_in_no_trouble() -> None:
    watch = PollingWatch(Deaf())
    watch.called("answered")
    watch.state("waiting", "another agent polls this log group")
    assert watch.trouble == ""


def test_a_source_that_is_made_anew_inherits_its_trouble() -> None:
    watch = PollingWatch(Deaf())
    watch.failed("it ended")
    assert PollingWatch(Deaf(), watch.trouble).trouble == "it ended"

"""The demo's exit code hangs on this arithmetic."""

from __future__ import annotations

from consumer.demo.balance import Balance, FlowKey, Report

KEYS = [FlowKey("10.0.0.1", "10.0.0.2", 40_000 + number, 443, 6, "eni-1") for number in range(5)]


def test_every_flow_written_and_received_is_complete() -> None:
    balance = Balance()
    balance.wrote(KEYS)
    for key in reversed(KEYS):
        balance.received(key)
    assert balance.report() == Report(written=5, received=5, repeated=0, unexpected=0)
    assert balance.report().is_complete


def test_a_flow_that_did_not_arrive_is_missing_and_named() -> None:
    balance = Balance()
    balance.wrote(KEYS)
    for key in KEYS[1:]:
        balance.received(key)
    assert balance.report().missing == 1
    assert not balance.report().is_complete
    assert balance.missing(limit=10) == KEYS[:1]


def test_a_repeat_does_not_stand_in_for_a_missing_flow() -> None:
    balance = Balance()
    balance.wrote(KEYS[:2])
    balance.received(KEYS[0])
    balance.received(KEYS[0])
    assert balance.report() == Report(written=2, received=1, repeated=1, unexpected=0)


def test_the_same_flow_at_two_interfaces_must_arrive_from_both() -> None:
    other_end = KEYS[0]._replace(interface_id="eni-2")
    balance = Balance()
    balance.wrote([KEYS[0], other_end])
    balance.received(KEYS[0])
    assert balance.missing(limit=10) == [other_end]


def test_equal_keys_are_counted_and_not_merged() -> None:
    balance = Balance()
    balance.wrote([KEYS[0], KEYS[0]])
    balance.received(KEYS[0])
    assert balance.report().missing == 1
    balance.received(KEYS[0])
    assert balance.report() == Report(written=2, received=2, repeated=0, unexpected=0)


def test_a_flow_nobody_wrote_is_unexpected() -> None:
    balance = Balance()
    balance.received(KEYS[0])
    assert balance.report() == Report(written=0, received=0, repeated=0, unexpected=1)


def test_settled_flows_are_forgotten_beyond_the_bound_and_open_ones_never() -> None:
    balance = Balance(remembered=2)
    balance.wrote(KEYS)
    for key in KEYS[:4]:
        balance.received(key)
    balance.received(KEYS[0])  # settled long ago: no longer known
    balance.received(KEYS[3])  # settled just now: a repeat
    assert balance.report() == Report(written=5, received=4, repeated=1, unexpected=1)
    assert balance.missing(limit=10) == [KEYS[4]]

"""The schedule of options records, without a socket."""

from __future__ import annotations

from consumer.export.announce import FIRST_NAMES_SECONDS, TYPES_SECONDS, Schedule
from consumer.export.settings import CollectorSettings, OptionKind

KINDS: list[OptionKind] = ["selector", "types", "interfaces", "statistics"]


def moments(schedule: Schedule, until: float, step: float = 1.0, domain: int = 7) -> dict[OptionKind, list[float]]:
    """When each kind is due, for a domain that always has data."""
    found: dict[OptionKind, list[float]] = {kind: [] for kind in KINDS}
    now = 0.0
    while now <= until:
        for kind in schedule.due(domain, now):
            found[kind].append(now)
        now += step
    return found


def test_kinds_are_due_with_the_template_refresh_and_types_once_an_hour() -> None:
    found = moments(Schedule(KINDS, 600), 2 * TYPES_SECONDS)
    assert found["types"] == [0, TYPES_SECONDS, 2 * TYPES_SECONDS]
    assert found["selector"] == [600 * n for n in range(13)]
    assert found["statistics"] == [600 * n for n in range(1, 13)]
    assert found["interfaces"] == [FIRST_NAMES_SECONDS + 600 * n for n in range(12)]


def test_a_domain_without_data_is_told_nothing_and_makes_up_for_nothing() -> None:
    schedule = Schedule(KINDS, 60)
    moments(schedule, 1)
    assert schedule.due(7, 1000.0) == ["selector", "interfaces", "statistics"]
    assert schedule.due(7, 1000.0) == []


def test_each_domain_is_told_for_itself() -> None:
    schedule = Schedule(KINDS, 60)
    assert schedule.due(7, 0.0) == schedule.due(8, 0.0) == ["selector", "types"]


def test_a_collector_that_was_gone_is_told_again() -> None:
    schedule = Schedule(KINDS, 60)
    schedule.due(7, 0.0)
    schedule.forget()
    assert schedule.due(7, 1.0) == ["selector", "types"]


def test_only_what_the_settings_name_is_told() -> None:
    settings = CollectorSettings(address="127.0.0.1:4739", options=("statistics",))
    found = moments(Schedule(settings.options, 100), 250)
    assert found == {"selector": [], "types": [], "interfaces": [], "statistics": [100, 200]}

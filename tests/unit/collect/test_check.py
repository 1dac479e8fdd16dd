"""`check collector`: the marked flow, and what its report says."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest

from consumer.clock import SystemClock
from consumer.collect.check import (
    HEAD_START_SECONDS,
    LATE_ANSWER_SECONDS,
    CheckReport,
    check_collector,
    marked_flow,
    report_text,
    run_check,
)
from consumer.collect.look import DESTINATION, LOOKS, MARK, SOURCE, ways_to_look
from consumer.collect.names import known_elements
from consumer.collect.session import CollectingProcess
from consumer.encode.settings import EncodingSettings, Profile
from consumer.errors import ConfigurationError
from consumer.export.settings import CollectorSettings
from tests.support.clock import ManualClock
from tests.support.udp import Receiver, receiver, unused_port

NOW = 1_700_000_100.0
PEN = 64_999


def settings_for(address: str) -> CollectorSettings:
    return CollectorSettings(name="check", address=address)


def encoding(profile: Profile = "full", number: int = PEN) -> EncodingSettings:
    return EncodingSettings(profile=profile, private_enterprise_number=number)


def read_flow_of(opened: Receiver) -> dict[str, Any]:
    """What a collecting process makes of the one record it was sent."""
    process = CollectingProcess(known_elements(PEN))
    records = []
    while True:
        try:
            data = opened.socket.recv(65_535)
        except BlockingIOError:
            break
        received = process.read(data, ("127.0.0.1", 1))
        assert not received.problems
        records += received.records
    (record,) = records
    return dict(record.values)


@pytest.mark.parametrize(
    ("profile", "names"),
    [
        ("core", {}),
        ("iana", {"virtualStationName": MARK}),
        ("full", {"sourceName": MARK, "observedInstanceName": MARK, "destinationName": ""}),
    ],
)
def test_the_flow_has_documentation_addresses_and_is_named_where_the_report_says(
    profile: Profile, names: dict[str, str]
) -> None:
    with receiver() as opened:
        report = check_collector(settings_for(opened.address), encoding(profile), ManualClock())
        values = read_flow_of(opened)
    assert (values["sourceIPv4Address"], values["destinationIPv4Address"]) == (SOURCE, DESTINATION)
    assert (values["octetDeltaCount"], values["packetDeltaCount"]) == (42, 1)
    assert {name: values.get(name) for name in names} == names
    marked = [name for name, value in values.items() if value == MARK]
    assert bool(marked) is bool(report.named_in)
    assert all(name in marked for name in report.named_in.split(" and ") if name)


def test_the_flow_ends_now_and_lasts_a_minute() -> None:
    with receiver() as opened:
        clock = ManualClock()
        check_collector(settings_for(opened.address), encoding("core"), clock)
        values = read_flow_of(opened)
    assert values["flowEndMilliseconds"] - values["flowStartMilliseconds"] == 60_000
    assert abs(values["flowEndMilliseconds"] / 1000 - clock.now()) < 10


def test_the_observation_domain_is_that_of_no_account() -> None:
    domains = {marked_flow(encoding(profile), NOW).domain for profile in ("core", "full")}
    assert len(domains) == 1
    assert 0 not in domains


def test_a_listener_is_told_from_a_closed_port() -> None:
    with receiver() as opened:
        there = check_collector(settings_for(opened.address), encoding(), ManualClock())
    gone = check_collector(settings_for(f"127.0.0.1:{unused_port()}"), encoding(), ManualClock())
    assert there.is_there
    assert there.result.endswith("somebody listens")
    assert there.messages == 2
    assert not gone.is_there
    assert "nobody listens" in gone.result
    assert gone.ways_to_look == {}


def test_what_the_network_refuses_is_unreachable() -> None:
    """The broadcast address is refused to every socket that did not ask for it."""
    report = check_collector(settings_for("255.255.255.255:4739"), encoding(), ManualClock())
    assert not report.is_there
    assert "cannot be reached" in report.result


def test_a_silent_resolver_does_not_hold_the_command_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    real = socket.getaddrinfo

    def silent(host: str, *arguments: Any, **options: Any) -> Any:
        if options.get("flags"):
            return real(host, *arguments, **options)
        release.wait(30)
        raise socket.gaierror("released")

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    try:
        report = check_collector(settings_for("collector.example:4739"), encoding(), ManualClock())
    finally:
        release.set()
    assert not report.is_there
    assert "collector.example is still being looked up" in report.result


@pytest.mark.parametrize(
    ("profile", "number", "warns"), [("full", 32473, True), ("full", PEN, False), ("core", 32473, False)]
)
def test_the_trial_enterprise_number_is_warned_of_where_it_is_sent(profile: Profile, number: int, warns: bool) -> None:
    with receiver() as opened:
        report = check_collector(settings_for(opened.address), encoding(profile, number), ManualClock())
    assert any("32473" in warning for warning in report.warnings) is warns


def test_the_report_says_how_to_look_for_the_flow_on_this_port() -> None:
    ways = ways_to_look(9995)
    assert list(ways) == list(LOOKS)
    assert "udp.port==9995" in ways["tshark"]
    assert all(SOURCE in way or "dump" in way for way in ways.values())
    text = report_text(CheckReport("c:9995", True, "sending", 2, 300, "sourceName", ["beware"], ways))
    assert all(way in text for way in ways.values())
    assert "warning: beware" in text
    assert f"named {MARK} in sourceName" in text
    assert "vpcflow elements --for" in text


def test_the_report_of_a_profile_without_names_promises_none() -> None:
    text = report_text(CheckReport("c:9995", True, "sending", 2, 300, "", [], ways_to_look(9995)))
    assert "without a name" in text
    assert "elements --for" not in text


def test_a_failed_report_is_short() -> None:
    assert report_text(CheckReport("c:1", False, "nobody listens", 1, 200)) == "FAILED: nobody listens\n"


def test_all_faults_of_the_command_line_are_named_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        run_check("collector", "full", 100, 29_305, as_json=False)
    assert [fault.key for fault in caught.value.faults] == ["HOST:PORT", "--message-size", "--pen"]


def test_a_message_too_small_for_the_profile_is_a_fault_of_the_configuration() -> None:
    small = EncodingSettings(message_size=512)
    with pytest.raises(ConfigurationError, match="message_size"):
        check_collector(settings_for("127.0.0.1:4739"), small, SystemClock())


def test_one_record_is_all_there_is() -> None:
    assert marked_flow(encoding(), NOW).record_counts.tolist() == [1]


def test_the_template_has_a_head_start_and_goes_once() -> None:
    """goflow2 reads messages side by side: a flow right behind its template is lost there."""
    clock = ManualClock()
    arrived: list[tuple[float, bool]] = []
    with receiver() as opened:

        def note(_: float) -> None:
            arrived.extend((clock.elapsed, message.is_template) for message in opened.messages())

        clock.on_wait = note
        check_collector(settings_for(opened.address), encoding(), clock)
        arrived += [(clock.elapsed, message.is_template) for message in opened.messages()]
    (template_at, is_template), (flow_at, is_flow_template) = arrived
    assert (is_template, is_flow_template) == (True, False)
    assert flow_at - template_at >= HEAD_START_SECONDS - 0.1


def test_only_a_refusal_from_afar_is_waited_for() -> None:
    clock = ManualClock()
    with receiver() as opened:
        check_collector(settings_for(opened.address), encoding(), clock)
    assert clock.elapsed < LATE_ANSWER_SECONDS

"""What a collector is told besides flows, put together as an agent does it and read by our collecting process."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from consumer.agent.source_ports import keep_ports, with_kept_port
from consumer.assembly import OptionsBuilder, Outlet, build_lanes
from consumer.collect.names import known_elements
from consumer.collect.session import CollectingProcess, Record
from consumer.discovery.estate.values import Instance, Part, Subnet, Vpc
from consumer.encode.activity import ActiveInterfaces
from consumer.encode.enterprise import ENTERPRISE_ELEMENTS
from consumer.encode.settings import EncodingSettings
from consumer.errors import ConfigurationError
from consumer.export.settings import CollectorSettings
from consumer.export.status import CollectorCounts
from consumer.model.delivery import Delivery, Origin, SourceKind, TextState
from consumer.pipeline import Pipeline
from consumer.state.identity import StateFolder
from tests.support.clock import ManualClock
from tests.support.exporting import Counting
from tests.support.flows import interface, inventory_of
from tests.support.udp import Receiver, receiver

PEN = 32473
ACCOUNT = "123456789012"
LINE = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action "
    "log-status\n"
    "2 123456789012 eni-01 10.0.1.5 203.0.113.9 49152 443 6 10 1500 1700000000 1700000060 ACCEPT OK\n"
)
INVENTORY = inventory_of(
    Part(
        ACCOUNT,
        "us-east-1",
        0.0,
        vpcs=(Vpc("vpc-1", "shop", ACCOUNT, ("10.0.0.0/16",)),),
        subnets=(Subnet("subnet-1", "private", "vpc-1", "use1-az1", ("10.0.1.0/24",)),),
        interfaces=(
            interface("eni-01", "vpc-1", "10.0.1.5", subnet_id="subnet-1", instance_id="i-01", account=ACCOUNT),
            interface("eni-02", "vpc-1", "10.0.1.6", subnet_id="subnet-1", instance_id="i-02", account=ACCOUNT),
        ),
        instances=(Instance("i-01", "web-1"),),
    )
)


def read(opened: Receiver, collecting: CollectingProcess) -> list[Record]:
    """What has arrived; nothing may be missing by the sequence numbers."""
    records: list[Record] = []
    while True:
        try:
            datagram, sender = opened.socket.recvfrom(65_535)
        except BlockingIOError:
            return records
        received = collecting.read(datagram, sender[:2])
        assert (received.lost, received.problems) == (0, Counter())
        records += received.records


def told(moments: list[float], **chosen: object) -> list[list[Record]]:
    """One flow at each moment (seconds); the records that arrived with it."""
    clock, found = ManualClock(), []
    with receiver() as opened:
        settings = CollectorSettings.model_validate({"address": opened.address, **chosen})
        outlet = Outlet([settings], PEN, clock)
        pipeline = Pipeline(
            build_lanes(outlet, 1, 0),
            formats=lambda _: [],
            inventory=lambda: INVENTORY,
            exporter=outlet.exporting_process,
            keep_rejects=lambda origin, rejects: None,
            ledger=Counting(),
            clock=clock,
            abort=threading.Event(),
        )
        collecting = CollectingProcess(known_elements(PEN))
        for moment in moments:
            clock.advance(moment - clock.elapsed)
            pipeline.process(Delivery(Origin(SourceKind.FILE), [LINE.encode()], clock.now(), TextState()))
            found.append(read(opened, collecting))
        outlet.exporting_process.close()
    return found


def options(records: list[Record]) -> list[Record]:
    return [record for record in records if record.is_options]


def test_before_the_first_flow_a_collector_learns_that_nothing_is_sampled_and_what_our_elements_are() -> None:
    (records,) = told([0.0])
    selector, *types = options(records)
    assert (selector.values["samplingPacketInterval"], selector.values["samplingPacketSpace"]) == (1, 0)
    assert {record.values["informationElementName"] for record in types} == {one.name for one in ENTERPRISE_ELEMENTS}
    assert [record.is_options for record in records] == [True] * (1 + len(ENTERPRISE_ELEMENTS)) + [False]


@pytest.mark.parametrize("profile", ["core", "iana"])
def test_a_profile_without_our_elements_does_not_explain_them(profile: str) -> None:
    (records,) = told([0.0], profile=profile)
    assert len(options(records)) == 1


def test_interfaces_that_recorded_flows_are_named_by_their_number() -> None:
    _, records = told([0.0, 11.0])
    (named,) = options(records)
    (flow,) = (record for record in records if not record.is_options)
    assert named.values["ingressInterface"] == flow.values["ingressInterface"] != 0
    assert (named.values["interfaceName"], named.values["interfaceDescription"]) == ("web-1", "eni-01 shop")


def test_statistics_say_what_this_collector_was_sent() -> None:
    *_, records = told([0.0, 1.0, 301.0], options=["statistics"])
    (statistics,) = options(records)
    assert statistics.values["exportedFlowRecordTotalCount"] == 2
    assert statistics.values["exportedMessageTotalCount"] == 4, "two of flows, two of templates"
    assert statistics.values["notSentFlowTotalCount"] == 0


def test_with_options_switched_off_there_are_flows_only() -> None:
    assert [len(records) for records in told([0.0, 11.0, 301.0], options=[])] == [1, 1, 1]


def test_options_keep_to_a_path_narrower_than_the_setting() -> None:
    encoding = EncodingSettings(message_size=8900)
    builder = OptionsBuilder({"key": encoding}, ActiveInterfaces(), ManualClock())
    types = builder.build("types", "key", 7, 600, CollectorCounts())
    assert types is not None
    assert types.record_count == len(ENTERPRISE_ELEMENTS)
    assert max(np.diff(types.starts)) <= 600


def test_a_message_too_small_for_the_profile_is_refused_before_anything_is_opened() -> None:
    with pytest.raises(ConfigurationError, match="cannot be split"):
        Outlet([CollectorSettings(address="127.0.0.1:4739", message_size=512)], PEN, ManualClock())


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_source_port_is_kept_over_a_restart_of_the_agent(host: str, tmp_path: Path) -> None:
    """The kernel chooses the first time; the state folder remembers."""
    ports = []
    with receiver(host) as opened:
        for _ in range(3):
            with StateFolder(tmp_path) as state:
                collector = with_kept_port(CollectorSettings(name="main", address=opened.address), state)
                with Outlet([collector], PEN, ManualClock()) as outlet:
                    keep_ports(outlet, state)
                    ports.append(outlet.exporting_process.collectors[0].source_port)
    assert ports[0] > 0
    assert len(set(ports)) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_kept_port_that_another_program_has_taken_is_given_up(host: str, tmp_path: Path) -> None:
    with StateFolder(tmp_path) as state, receiver(host) as other:
        state.keep("source_port/main", other.port)
        kept = with_kept_port(CollectorSettings(name="main", address="127.0.0.1:4739"), state)
        assert kept.source_port == 0
        chosen = CollectorSettings(name="main", address="127.0.0.1:4739", source_port=other.port)
        assert with_kept_port(chosen, state).source_port == other.port

"""A way that takes less than it seemed to, as through a VPN: a real router 20 ms away and its real ICMP answers."""

from __future__ import annotations

import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from consumer.collect.names import known_elements
from consumer.collect.session import CollectingProcess
from tests.interop.flows import PEN, expected, lines, write_flow_log
from tests.interop.replaying import command, finish, wait_until
from tests.support.narrow_way import NarrowWay, narrow_way
from tests.support.udp import Receiver

pytestmark = pytest.mark.foreign

_DELAY_SECONDS = 0.02
_NARROW = {4: 1000, 6: 1280}
"""MTU behind the router; a message may have 28 or 48 octets less."""
_FLOWS = 6000
"""Of all sizes, so some messages fit through the narrow part and most do not."""
_QUIET_SECONDS = 2.0
_EXPECTED_PROBLEMS = {"sequence_stepped_back", "unknown_template"}
"""What is sent again keeps its number; what came before a template that had to be sent again, comes after it, too."""

Flow = tuple[str, str, int, int]


class Arrived:
    """What came out of the way."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self.datagrams: list[tuple[bytes, tuple[str, int]]] = []

    def take(self) -> int:
        """Read what is there; how many there are by now."""
        while True:
            try:
                self.datagrams.append(self._receiver.socket.recvfrom(65_535))
            except BlockingIOError:
                return len(self.datagrams)

    def take_all(self) -> None:
        """Read until nothing more comes."""
        while True:
            before = self.take()
            time.sleep(_QUIET_SECONDS)
            if self.take() == before:
                return

    def flows(self) -> Counter[Flow]:
        """Who talked to whom, by our own collecting process; more than once where a record came more than once."""
        collecting, found = CollectingProcess(known_elements(PEN)), Counter[Flow]()
        for datagram, sender in self.datagrams:
            received = collecting.read(datagram, sender)
            assert not received.problems.keys() - _EXPECTED_PROBLEMS, received.problems
            found.update(_flow(record.values) for record in received.records if not record.is_options)
        return found


def _flow(values: Mapping[str, object]) -> Flow:
    source, destination = (
        values.get(f"{end}IPv4Address") or values.get(f"{end}IPv6Address") for end in ("source", "destination")
    )
    ports = (int(str(values.get(f"{end}TransportPort", 0))) for end in ("source", "destination"))
    return str(source), str(destination), next(ports), next(ports)


@contextmanager
def _replaying(way: NarrowWay, family: int, content: list[str], folder: Path, rate: int) -> Iterator[Arrived]:
    """`vpcflow replay` at the agent's end; all that arrived is there afterwards."""
    file = write_flow_log(folder / "flows.log", content)
    with closing(way.receiver(family)) as receiver:
        argv = way.agent.inside(command(file, receiver.address, rate=rate))
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        arrived = Arrived(receiver)
        try:
            yield arrived
            assert finish(process).records == len(content)
        finally:
            process.kill()
            process.communicate()
        arrived.take_all()


def _assert_each_once(way: NarrowWay, arrived: Arrived, content: list[str]) -> None:
    wanted = Counter(
        (flow.source, flow.destination, flow.source_port, flow.destination_port) for flow in map(expected, content)
    )
    flows = arrived.flows()
    assert (wanted - flows).total() == 0, "flows were lost"
    assert (flows - wanted).total() == 0, "flows came twice"
    print(f"the router dropped {way.dropped()} packets, {len(arrived.datagrams)} datagrams came through")
    assert way.dropped() > 0, "nothing was tried"


@pytest.mark.parametrize("family", [4, 6])
def test_a_way_that_gets_narrower_under_way_neither_loses_nor_repeats_a_flow(family: int, tmp_path: Path) -> None:
    content = lines(_FLOWS)
    with narrow_way(_DELAY_SECONDS) as way:
        with _replaying(way, family, content, tmp_path, 2000) as arrived:
            wait_until("records to flow", lambda: arrived.take() > 30)
            way.narrow(_NARROW[family])
        _assert_each_once(way, arrived, content)


@pytest.mark.parametrize("family", [4, 6])
def test_a_way_narrower_than_its_first_hop_is_learnt_at_full_speed(family: int, tmp_path: Path) -> None:
    """In bursts of equal messages, offload and all."""
    content = lines(_FLOWS)
    with narrow_way(_DELAY_SECONDS) as way:
        way.narrow(_NARROW[family])
        with _replaying(way, family, content, tmp_path, 0) as arrived:
            pass
        _assert_each_once(way, arrived, content)
        assert max(len(datagram) for datagram, _ in arrived.datagrams) > _NARROW[family], (
            "what was made already is cut up"
        )

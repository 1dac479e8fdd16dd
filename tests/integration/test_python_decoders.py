"""The Python packages `ipfix` and `netflow` read whole sessions of ours: domains, refreshes, restarts on both sides.

Octet by octet they are asked in tests/golden. `netflow` knows fixed-length IANA elements only, so it gets profile core.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Literal

import netflow.ipfix
import pytest

from consumer.export.settings import CollectorSettings
from consumer.model.inventory import empty_inventory
from tests.interop.flows import ENTERPRISE_STRINGS, FIELDS, PEN, Expected, expected, lines
from tests.support.exporting import export_text
from tests.support.python_ipfix import read_records
from tests.support.udp import Receiver, read_message, receiver

Flow = tuple[Any, ...]
Profile = Literal["core", "full"]


def send(opened: Receiver, content: Sequence[str], profile: Profile, domain: int, rate: int = 20_000) -> list[bytes]:
    """One life of an exporter; its datagrams. Templates go again every third message."""
    settings = CollectorSettings(
        address=opened.address, profile=profile, template_refresh_messages=3, options=(), rate=rate
    )
    text = "\n".join([" ".join(FIELDS), *content]) + "\n"
    export_text(text, [settings], empty_inventory(), private_enterprise_number=PEN, domain=domain)
    found = []
    while True:
        try:
            found.append(opened.socket.recv(65_535))
        except BlockingIOError:
            return found


def _milliseconds(moment: datetime) -> int:
    return round(moment.replace(tzinfo=UTC).timestamp() * 1000)


def by_ipfix(datagrams: Sequence[bytes]) -> list[Flow]:
    return [
        (
            str(record.get("sourceIPv4Address") or record["sourceIPv6Address"]),
            str(record.get("destinationIPv4Address") or record["destinationIPv6Address"]),
            record["sourceTransportPort"],
            record["destinationTransportPort"],
            record["protocolIdentifier"],
            record["octetDeltaCount"],
            record["packetDeltaCount"],
            _milliseconds(record["flowStartMilliseconds"]),
            _milliseconds(record["flowEndMilliseconds"]),
            record["forwardingStatus"],
            *(bytes(record[f"_ipfix_{PEN}_{number}"]).decode() for number in ENTERPRISE_STRINGS),
        )
        for record in read_records(b"".join(datagrams))
    ]


def by_netflow(datagrams: Sequence[bytes]) -> list[Flow]:
    """A message without its template is dropped, as the package's own collector does."""
    templates: dict[int, list[object]] = {}
    found: list[Flow] = []
    for message in datagrams:
        try:
            flows = netflow.ipfix.IPFIXExportPacket(message, templates).flows
        except netflow.ipfix.IPFIXTemplateNotRecognized:
            continue
        for flow in flows:
            record = flow.data
            family = record["ipVersion"]
            found.append(
                (
                    _address(record[f"sourceIPv{family}Address"], family),
                    _address(record[f"destinationIPv{family}Address"], family),
                    record["sourceTransportPort"],
                    record["destinationTransportPort"],
                    record["protocolIdentifier"],
                    record["octetDeltaCount"],
                    record["packetDeltaCount"],
                    record["flowStartMilliseconds"],
                    record["flowEndMilliseconds"],
                    record["forwardingStatus"],
                )
            )
    return found


def _address(number: int, family: int) -> str:
    return str(IPv4Address(number) if family == 4 else IPv6Address(number))


def wanted(line: str, profile: Profile) -> Flow:
    flow: Expected = expected(line)
    basics = (
        flow.source, flow.destination, flow.source_port, flow.destination_port, flow.protocol, flow.octets,
        flow.packets, flow.start_ms, flow.end_ms, flow.status,
    )  # fmt: skip
    return (*basics, *(flow.strings[number] for number in ENTERPRISE_STRINGS)) if profile == "full" else basics


BOTH = pytest.mark.parametrize(
    ("profile", "read"), [("full", by_ipfix), ("core", by_netflow)], ids=["ipfix", "netflow"]
)
Read = Callable[[Sequence[bytes]], list[Flow]]


@BOTH
def test_three_exporters_in_three_domains_are_read_to_the_last_field(profile: Profile, read: Read) -> None:
    content = lines(360)
    datagrams: list[bytes] = []
    with receiver() as opened:
        for domain in (1, 2, 3):
            datagrams += send(opened, content[120 * (domain - 1) : 120 * domain], profile, domain)
    assert {read_message(datagram).domain for datagram in datagrams} == {1, 2, 3}
    assert sorted(read(datagrams)) == sorted(wanted(line, profile) for line in content)


@BOTH
def test_a_decoder_that_starts_late_is_complete_from_the_next_refresh_on(profile: Profile, read: Read) -> None:
    with receiver() as opened:
        datagrams = send(opened, lines(600), profile, 1)
    are_templates = [read_message(datagram).is_template for datagram in datagrams]
    late = are_templates.index(False) + 1
    refresh = are_templates.index(True, late)
    complete = read(datagrams[refresh:])
    assert len(complete) > 100
    assert complete == read(datagrams)[-len(complete) :]
    assert read(datagrams[late:])[-len(complete) :] == complete


def test_ipfix_reads_past_the_padding_of_messages_that_go_in_bursts() -> None:
    content = lines(100)
    with receiver() as opened:
        datagrams = send(opened, content, "full", 1, rate=0)
    assert sum(len(datagram) == 1400 for datagram in datagrams) > 20
    assert sorted(by_ipfix(datagrams)) == sorted(wanted(line, "full") for line in content)

"""A data record as a flow: who spoke to whom, by name, how much, and whether it was let through.

Belongs here: which elements say that. Does not: decoding (session.py) or printing (show.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from consumer.collect.values import Value

_SOURCE_ADDRESSES = ("sourceIPv4Address", "sourceIPv6Address")
_DESTINATION_ADDRESSES = ("destinationIPv4Address", "destinationIPv6Address")
_PACKET_SOURCES = ("pktSourceIPv4Address", "pktSourceIPv6Address")
_PACKET_DESTINATIONS = ("pktDestinationIPv4Address", "pktDestinationIPv6Address")
_MAPPED_PREFIX = "::ffff:"
_INTERFACES = ("awsInterfaceId", "virtualStationInterfaceName", "awsResourceId", "tgwAttachmentId")
"""What recorded the flow, in the order of what is most telling."""
_OBSERVERS = (
    "observedService", "observedInstanceName", "observedInterfaceName", "virtualStationName", "tgwId", *_INTERFACES
)  # fmt: skip
_STARTS = {"flowStartMilliseconds": 1, "flowStartSeconds": 1000}
_ENDS = {"flowEndMilliseconds": 1, "flowEndSeconds": 1000}

_PROTOCOLS = {1: "ICMP", 2: "IGMP", 6: "TCP", 17: "UDP", 41: "IPv6", 47: "GRE", 50: "ESP", 58: "ICMPv6", 132: "SCTP"}
_WITH_PORTS = frozenset({6, 17, 33, 132, 136})


@dataclass(frozen=True, slots=True)
class Flow:
    """One flow. Numbers are 0 and texts empty where the record did not say. Moments: milliseconds since 1970."""

    source: str
    destination: str
    source_port: int
    destination_port: int
    protocol: int
    octets: int
    packets: int
    start_ms: int
    end_ms: int
    verdict: str
    """ACCEPT, REJECT or empty."""
    interface_id: str
    observer: str
    """Name of what recorded the flow: an instance, a service (NAT gateway), else the interface's id."""
    source_name: str
    destination_name: str
    packet_source: str
    """Address in the packets themselves, where the record says it."""
    packet_destination: str

    @property
    def protocol_name(self) -> str:
        return _PROTOCOLS.get(self.protocol, str(self.protocol))

    @property
    def way(self) -> str:
        """The flow by name: `web-1 → nat-gateway → 203.0.113.9:443`. What recorded it stands in the middle when it
        is one end itself and the packets go on, or come from, elsewhere (a NAT gateway, a load balancer)."""
        stations = [self.source_name or self.source, self.destination_name or self.destination]
        if self.packet_source and self.packet_source != self.source:
            stations.insert(0, self.packet_source)
        if self.packet_destination and self.packet_destination != self.destination:
            stations.append(self.packet_destination)
        if len(stations) == 2 and not self.source_name:
            stations[0] = _with_port(stations[0], self.source_port, self.protocol)
        stations[-1] = _with_port(stations[-1], self.destination_port, self.protocol)
        return " → ".join(stations)


def _with_port(host: str, port: int, protocol: int) -> str:
    if protocol not in _WITH_PORTS:
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def read_flow(values: Mapping[str, Value]) -> Flow | None:
    """The flow in a data record; None when it has no two addresses (options, counters)."""
    source, destination = _address(values, _SOURCE_ADDRESSES), _address(values, _DESTINATION_ADDRESSES)
    if not source or not destination:
        return None
    return Flow(
        source=source,
        destination=destination,
        source_port=_number(values, "sourceTransportPort"),
        destination_port=_number(values, "destinationTransportPort"),
        protocol=_number(values, "protocolIdentifier"),
        octets=_number(values, "octetDeltaCount"),
        packets=_number(values, "packetDeltaCount"),
        start_ms=_moment(values, _STARTS),
        end_ms=_moment(values, _ENDS),
        verdict=_verdict(values),
        interface_id=_text(values, _INTERFACES),
        observer=_text(values, _OBSERVERS),
        source_name=_end_name(values, "source"),
        destination_name=_end_name(values, "destination"),
        packet_source=_address(values, _PACKET_SOURCES),
        packet_destination=_address(values, _PACKET_DESTINATIONS),
    )


def _end_name(values: Mapping[str, Value], side: str) -> str:
    packet_side = "pkt" + side.capitalize()
    return _text(values, (f"{side}Name", f"{side}Service", f"{packet_side}AwsService"))


def _verdict(values: Mapping[str, Value]) -> str:
    """vpcAction as it is, else the two top bits of forwardingStatus (RFC 7270 §4.12): 01 forwarded, 10 dropped."""
    action = values.get("vpcAction")
    if action:
        return str(action)
    return {1: "ACCEPT", 2: "REJECT"}.get(_number(values, "forwardingStatus") >> 6, "")


def _text(values: Mapping[str, Value], names: tuple[str, ...]) -> str:
    return next((str(value) for name in names if (value := values.get(name))), "")


def _address(values: Mapping[str, Value], names: tuple[str, ...]) -> str:
    """Empty for the unspecified address, which stands for "not reported"; IPv4 taken out of its IPv6 form."""
    text = _text(values, names)
    if text in ("0.0.0.0", "::"):
        return ""
    return text.removeprefix(_MAPPED_PREFIX) if "." in text else text


def _number(values: Mapping[str, Value], name: str) -> int:
    value = values.get(name, 0)
    return value if isinstance(value, int) else 0


def _moment(values: Mapping[str, Value], units: Mapping[str, int]) -> int:
    return next((_number(values, name) * unit for name, unit in units.items() if name in values), 0)

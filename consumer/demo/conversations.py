"""Who talks to whom in the demo's network, and which interfaces see it.

Belongs here: the pattern of traffic (the table in `Conversations.kinds`). Does not: how a record of it is written
(traffic.py) or which hosts there are (network.py).
All addresses outside the estate are from the documentation ranges (RFC 5737, RFC 3849).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address

from consumer.demo.network import Host, Network, Role

TCP, UDP, ICMP = 6, 17, 1
SAME_VPC, PEERING, GATEWAY_ENDPOINT, INTERNET_GATEWAY = 1, 4, 7, 8
"""traffic-path codes (VPC user guide, "Available fields", version 5)."""

PARTNER = "203.0.113.9"
OBJECT_STORE = "192.0.2.80"
CLIENT_COUNT = 239
"""A prime, so that the turns of addresses and ports meet late."""
FIRST_EPHEMERAL_PORT, EPHEMERAL_PORT_COUNT = 32_768, 28_232
"""Linux's default net.ipv4.ip_local_port_range."""
SCANNED_PORTS = (22, 23, 445, 1433, 3306, 3389, 5900, 8080)


@dataclass(frozen=True, slots=True)
class End:
    """One end of a conversation. `host` None: outside the estate. `service`: AWS service behind the address."""

    address: str
    port: int
    host: Host | None = None
    service: str = ""


@dataclass(frozen=True, slots=True)
class Sight:
    """What the interface `at` sees of a conversation: client → server; in `packet_*` the packets' own ends.

    They differ at an interface in the middle: a NAT gateway's own address is one end of what it sees.
    `path`: traffic-path code of what leaves here.
    """

    at: Host
    client: End
    server: End
    packet_client: End
    packet_server: End
    path: int


Sights = Callable[[], list[Sight]]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of conversation: `sights()` gives a new one of it, as every interface on its way sees it."""

    sights: Sights
    protocol: int
    is_accepted: bool = True


class Conversations:
    """Makes conversations. One thread at a time; all chance comes from `chance`."""

    def __init__(self, network: Network, chance: random.Random) -> None:
        self._network = network
        self._chance = chance
        self._turn = 0
        self.kinds = tuple(self._kinds())

    def _kinds(self) -> Iterator[Kind]:
        """The table of what goes on; each row is equally frequent."""
        shop = {role: [host for host in self._network.in_vpc("shop") if host.role is role] for role in Role}
        [balancer], webs, apps = shop[Role.LOAD_BALANCER], shop[Role.WEB], shop[Role.APP]
        [database], [cache], [nat] = shop[Role.DATABASE], shop[Role.CACHE], shop[Role.NAT]
        for web in webs:
            yield Kind(self._from_internet(balancer, 443), TCP)
            yield Kind(self._between(balancer, web, 8080), TCP)
            yield Kind(self._from_internet(web, 443, is_ipv6=True), TCP)
            yield Kind(self._through(nat, web), TCP)
            yield Kind(self._from_internet(web), TCP, is_accepted=False)
            for app in apps:
                yield Kind(self._between(web, app, 9000), TCP)
        for app in apps:
            yield Kind(self._between(app, database, 5432), TCP)
            yield Kind(self._between(app, cache, 6379, is_ipv6=True), TCP)
            yield Kind(self._to_outside(app, OBJECT_STORE, 443, "S3"), TCP)
            yield Kind(self._through(nat, app), TCP)
        for builder in (host for host in self._network.hosts if host.role is Role.BUILD):
            yield Kind(self._between(builder, apps[0], 22), TCP)
            yield Kind(self._between(builder, database, 5432), TCP, is_accepted=False)
        yield from self._kinds_elsewhere()

    def _kinds_elsewhere(self) -> Iterator[Kind]:
        """The other region and the other account, whose address ranges overlap with the first's."""
        host = self._network.host
        yield Kind(self._from_internet(host("web-eu-1"), 443), TCP)
        yield Kind(self._from_internet(host("web-eu-1"), 0), ICMP)
        yield Kind(self._between(host("web-eu-1"), host("shop-eu-db"), 5432), TCP)
        for worker in (host("worker-1"), host("worker-2")):
            yield Kind(self._between(worker, host("warehouse-1"), 5439), TCP)
            yield Kind(self._to_outside(worker, PARTNER, 123), UDP)
        yield Kind(self._to_outside(host("archive-1"), OBJECT_STORE, 443, "S3"), TCP)
        yield Kind(self._from_internet(host("archive-1")), UDP, is_accepted=False)

    def _between(self, client: Host, server: Host, port: int, is_ipv6: bool = False) -> Sights:
        """Inside the estate: seen at both ends."""
        path = SAME_VPC if client.vpc_id == server.vpc_id else PEERING

        def sights() -> list[Sight]:
            one, other = _end(client, self._ephemeral(), is_ipv6), _end(server, port, is_ipv6)
            return [Sight(host, one, other, one, other, path) for host in (client, server)]

        return sights

    def _from_internet(self, server: Host, port: int | None = None, is_ipv6: bool = False) -> Sights:
        """`port` None: somebody who tries doors; 0: a protocol without ports."""

        def sights() -> list[Sight]:
            scanned = self._chance.choice(SCANNED_PORTS) if port is None else port
            one, other = self._client(is_ipv6, has_port=port != 0), _end(server, scanned, is_ipv6)
            return [Sight(server, one, other, one, other, INTERNET_GATEWAY)]

        return sights

    def _to_outside(self, client: Host, address: str, port: int, service: str = "") -> Sights:
        path = GATEWAY_ENDPOINT if service else INTERNET_GATEWAY

        def sights() -> list[Sight]:
            one, other = _end(client, self._ephemeral()), End(address, port, service=service)
            return [Sight(client, one, other, one, other, path)]

        return sights

    def _through(self, nat: Host, client: Host) -> Sights:
        """To the partner, who lets in only the NAT gateway's address: seen at the client, and twice at the gateway."""

        def sights() -> list[Sight]:
            one, partner = _end(client, self._ephemeral()), End(PARTNER, 443)
            inside, outside = End(nat.address, 443, nat), _end(nat, self._ephemeral())
            return [
                Sight(client, one, partner, one, partner, SAME_VPC),
                Sight(nat, one, inside, one, partner, SAME_VPC),
                Sight(nat, outside, partner, outside, partner, INTERNET_GATEWAY),
            ]

        return sights

    def _client(self, is_ipv6: bool, has_port: bool) -> End:
        """Somebody on the internet; the same address and port come again after 6.7 million turns."""
        port = self._ephemeral()
        number = self._turn % CLIENT_COUNT + 10
        return End(f"2001:db8:cafe::{number:x}" if is_ipv6 else f"203.0.113.{number}", port if has_port else 0)

    def _ephemeral(self) -> int:
        self._turn += 1
        return FIRST_EPHEMERAL_PORT + self._turn % EPHEMERAL_PORT_COUNT


def _end(host: Host, port: int, is_ipv6: bool = False) -> End:
    if is_ipv6 and host.ipv6_address:
        return End(str(IPv6Address(host.ipv6_address)), port, host)
    return End(host.address, port, host)

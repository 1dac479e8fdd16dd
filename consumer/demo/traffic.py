"""Synthetic traffic of the demo's network, as the flow log lines AWS would write.

Belongs here: how a conversation looks in a flow log. Does not: who talks to whom (conversations.py) or carrying
lines anywhere (bridge.py). Seeded and pure: the same seed, moments and counts give the same lines.

What is modelled, because an operator will look for it (VPC user guide, "Flow log record examples"):
- both directions of a conversation, at both interfaces when both lie in the estate;
- a NAT gateway's interface sees its own address in srcaddr/dstaddr and the true one in pkt-srcaddr/pkt-dstaddr;
- `traffic-path` only for what leaves, the SYN and FIN bits of `tcp-flags` only for TCP;
- refused attempts at the interface that refused them, NODATA of idle interfaces, now and then a SKIPDATA.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from consumer.demo.balance import FlowKey
from consumer.demo.conversations import TCP, Conversations, Kind, Sight
from consumer.demo.network import Host, LogGroup, Network

SYN, SYN_FIN, SYN_ACK_FIN = 2, 3, 19
IDLE_SHARE = 0.01
"""Lines without a flow, per flow."""
SKIPDATA_SHARE = 0.05
"""Of those lines."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One flow log line and the log event around it. `key` is None when it is no flow (NODATA, SKIPDATA)."""

    group: LogGroup
    log_stream: str
    timestamp_ms: int
    line: str
    key: FlowKey | None


class Traffic:
    """An endless supply of lines. One thread at a time."""

    def __init__(self, network: Network, seed: int) -> None:
        self._chance = random.Random(seed)
        self._conversations = Conversations(network, self._chance)
        self._hosts = network.hosts
        self._groups = {host.interface_id: network.log_group_of(host) for host in network.hosts}

    def lines(self, now: float, count: int) -> list[Entry]:
        """At least `count` flows that ended about `now` (Unix seconds), and the idle lines among them."""
        entries: list[Entry] = []
        while len(entries) < count:
            kind = self._chance.choice(self._conversations.kinds)
            for sight in kind.sights():
                entries += self._seen(sight, kind, int(now))
        for _ in range(count):
            if self._chance.random() < IDLE_SHARE:
                entries.append(self._idle(int(now)))
        return entries

    def _seen(self, sight: Sight, kind: Kind, now: int) -> Iterator[Entry]:
        """The lines of one interface: both directions, or the attempt at the interface that refused it."""
        if not kind.is_accepted:
            if sight.at is sight.server.host:
                packets = self._chance.randint(1, 3)
                yield self._line(sight, kind, now, packets, 60 * packets, is_answer=False)
            return
        packets = self._chance.randint(4, 60)
        size = packets * self._chance.randint(60, 400)
        yield self._line(sight, kind, now, packets, size, is_answer=False)
        yield self._line(sight, kind, now, packets + self._chance.randint(0, 9), 5 * size, is_answer=True)

    def _line(self, sight: Sight, kind: Kind, now: int, packets: int, size: int, is_answer: bool) -> Entry:
        source, destination = sight.client, sight.server
        packet_source, packet_destination = sight.packet_client, sight.packet_server
        if is_answer:
            source, destination = destination, source
            packet_source, packet_destination = packet_destination, packet_source
        is_egress = source.host is sight.at
        flags = SYN_ACK_FIN if is_answer else SYN_FIN if kind.is_accepted else SYN
        key = FlowKey(
            source.address,
            destination.address,
            source.port,
            destination.port,
            kind.protocol,
            sight.at.interface_id,
        )
        values: dict[str, str | int] = {
            "srcaddr": source.address,
            "dstaddr": destination.address,
            "srcport": source.port,
            "dstport": destination.port,
            "protocol": kind.protocol,
            "packets": packets,
            "bytes": size,
            "action": "ACCEPT" if kind.is_accepted else "REJECT",
            "log-status": "OK",
            "tcp-flags": flags if kind.protocol == TCP else 0,
            "type": "IPv6" if ":" in source.address else "IPv4",
            "pkt-srcaddr": packet_source.address,
            "pkt-dstaddr": packet_destination.address,
            "pkt-src-aws-service": packet_source.service or "-",
            "pkt-dst-aws-service": packet_destination.service or "-",
            "flow-direction": "egress" if is_egress else "ingress",
            "traffic-path": sight.path if is_egress else "-",
        }
        return self._entry(sight.at, values, now, key)

    def _idle(self, now: int) -> Entry:
        """NODATA: nothing flowed at an interface; SKIPDATA: AWS could not keep up with it."""
        status = "SKIPDATA" if self._chance.random() < SKIPDATA_SHARE else "NODATA"
        return self._entry(self._chance.choice(self._hosts), {"log-status": status}, now, None)

    def _entry(self, host: Host, values: dict[str, str | int], now: int, key: FlowKey | None) -> Entry:
        """Add what AWS knows of the interface, and write the line in the format of its flow log; `-` = not known."""
        group = self._groups[host.interface_id]
        fields = group.log_format.fields
        end = now - self._chance.randint(0, 20)
        start = end - self._chance.randint(0, 59)
        values |= {
            "version": 5 if "traffic-path" in fields else 2,
            "account-id": host.account,
            "interface-id": host.interface_id,
            "start": start,
            "end": end,
            "vpc-id": host.vpc_id,
            "subnet-id": host.subnet_id,
            "instance-id": host.instance_id or "-",
            "region": host.region,
            "az-id": host.az_id,
        }
        line = " ".join([str(values.get(field, "-")) for field in fields])
        return Entry(group, f"{host.interface_id}-all", start * 1000, line, key)

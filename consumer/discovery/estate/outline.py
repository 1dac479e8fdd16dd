"""What an agent keeps in memory of the estate between two readings: enough for the plan, next to no interfaces.

Belongs here: leaving out. Pure. Does not: the plan (plan/choosing.py), who gets the outline (reading/errand.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

from consumer.discovery.estate.values import Interface, Part, Subnet

Place = TypeVar("Place")
_NO_TAGS: Mapping[str, str] = {}
"""One for all: each value that can hold others lengthens a full garbage collection of the agent."""


def outlines(parts: Mapping[Place, Part]) -> Iterator[tuple[Place, Part]]:
    """Each part with its VPCs, flow logs and transit gateways; of subnets which they are and in which VPC.

    Of interfaces those that a flow log is about, and those of VPCs with several flow logs, whose rows are told apart
    by interface; and of each no more than which it is and where: not a value each, for there may be hundreds of
    thousands, but a key, and a value a subnet.
    """
    places = {one.id: one.vpc_id for part in parts.values() for one in part.subnets}
    places |= {one.id: one.vpc_id for part in parts.values() for one in part.interfaces}
    logged = [one.resource_id for part in parts.values() for one in part.flow_logs]
    counts = Counter(places.get(resource, resource) for resource in logged)
    vpcs = {vpc for vpc, count in counts.items() if count > 1}
    resources = set(logged)
    for place, part in parts.items():
        yield place, _outline(part, resources, vpcs)


def _outline(part: Part, logged: Container[str], vpcs: Container[str]) -> Part:
    return Part(
        part.account,
        part.region,
        part.taken_at,
        vpcs=tuple(replace(one, tags=_NO_TAGS) for one in part.vpcs),
        subnets=tuple(Subnet(one.id, "", one.vpc_id, "", (), one.is_used, _NO_TAGS) for one in part.subnets),
        located=_located(one for one in part.interfaces if one.id in logged or one.vpc_id in vpcs),
        nat_gateways=part.nat_gateways,
        flow_logs=part.flow_logs,
        transit_gateways=part.transit_gateways,
        attachments=part.attachments,
        is_unused=part.is_unused,
        unread=part.unread,
    )


def _located(interfaces: Iterable[Interface]) -> dict[str, tuple[str, str]]:
    places: dict[tuple[str, str], tuple[str, str]] = {}
    found = ((one.id, (one.subnet_id, one.vpc_id)) for one in interfaces)
    return {name: places.setdefault(place, place) for name, place in found}

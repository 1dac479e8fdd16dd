"""Which VPCs and transit gateways are logged, and by what.

Belongs here: laying flow logs over what they log. Pure. Does not: who reports them (choosing.py).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from consumer.discovery.estate.values import Interface, Part
from consumer.model.plan import TRAFFIC, FlowLog


@dataclass(frozen=True, slots=True)
class Coverage:
    """`is_logged` None = nobody could look. `flow_logs`: ids of all that touch it, failing ones included."""

    is_logged: bool | None
    reason: str
    flow_logs: tuple[str, ...] = ()
    interface_count: int = 0
    logged_interface_count: int = 0


def cover_vpcs(parts: Iterable[Part]) -> dict[str, Coverage]:
    """Coverage by VPC id. A VPC shared by another account is judged where its owner is read, else where it is seen."""
    covered: dict[str, Coverage] = {}
    for part in parts:
        interfaces: defaultdict[str, list[Interface]] = defaultdict(list)
        for interface in part.interfaces:
            interfaces[interface.vpc_id].append(interface)
        vpc_of = {one.id: one.vpc_id for one in part.subnets} | {one.id: one.vpc_id for one in part.interfaces}
        vpc_of |= {one.id: one.vpc_id for one in part.nat_gateways}
        logs: defaultdict[str, list[FlowLog]] = defaultdict(list)
        for flow_log in part.flow_logs:
            logs[vpc_of.get(flow_log.resource_id, flow_log.resource_id)].append(flow_log)
        for vpc in part.vpcs:
            if vpc.id in covered and vpc.account != part.account:
                continue
            if "flow_logs" in part.unread:
                covered[vpc.id] = Coverage(None, "flow logs could not be read", (), len(interfaces[vpc.id]))
            else:
                covered[vpc.id] = _cover_vpc(vpc.id, logs[vpc.id], interfaces[vpc.id])
    return covered


def _cover_vpc(vpc_id: str, logs: list[FlowLog], interfaces: list[Interface]) -> Coverage:
    ids = tuple(one.id for one in logs)
    working = [one for one in logs if not one.is_failing]
    actions: defaultdict[str, set[str]] = defaultdict(set)
    for flow_log in working:
        actions[flow_log.resource_id] |= flow_log.actions
    logged = [one for one in interfaces if actions.keys() & {one.id, one.subnet_id, vpc_id}]
    counts = (len(interfaces), len(logged))
    if not logs:
        return Coverage(False, "no flow log on it, its subnets or its interfaces", ids, *counts)
    if not working:
        errors = "; ".join(f"{one.id}: {one.delivery_error or 'no reason given'}" for one in logs)
        return Coverage(False, f"AWS cannot deliver {errors}", ids, *counts)
    if actions[vpc_id]:
        missing = TRAFFIC["ALL"] - actions[vpc_id]
        words = f"its flow log holds {' and '.join(sorted(actions[vpc_id]))} only" if missing else "by its own flow log"
        return Coverage(True, words, ids, *counts)
    if interfaces and len(logged) == len(interfaces):
        return Coverage(True, "by flow logs of its subnets and interfaces", ids, *counts)
    return Coverage(False, f"{len(logged)} of {len(interfaces)} interfaces are logged", ids, *counts)


def cover_gateways(parts: Iterable[Part]) -> dict[str, Coverage]:
    """Coverage by transit gateway id; the flow logs of one are its owner's."""
    covered: dict[str, Coverage] = {}
    for part in parts:
        gateway_of = {one.id: one.gateway_id for one in part.attachments}
        for gateway in part.transit_gateways:
            logs = [one for one in part.flow_logs if gateway.id in (one.resource_id, gateway_of.get(one.resource_id))]
            ids = tuple(one.id for one in logs)
            working = [one for one in logs if not one.is_failing]
            if "flow_logs" in part.unread:
                coverage = Coverage(None, "flow logs could not be read")
            elif any(one.resource_id == gateway.id for one in working):
                coverage = Coverage(True, "by its own flow log", ids)
            elif working:
                coverage = Coverage(False, "only attachments are logged", ids)
            elif logs:
                coverage = Coverage(False, f"AWS cannot deliver: {logs[0].delivery_error or 'no reason given'}", ids)
            else:
                coverage = Coverage(False, "no flow log on it or its attachments")
            if gateway.id not in covered or gateway.account == part.account:
                covered[gateway.id] = coverage
    return covered

"""Asking EC2 what one account has in one region.

Belongs here: which calls, and what happens when one fails. Does not: shapes of answers (estate.py), several targets
(inventory.py). One call at a time per target: EC2 throttles by account, region and action.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from consumer.aws import operations
from consumer.aws.operations import Operation
from consumer.aws.paging import items
from consumer.aws.roles import Target
from consumer.aws.sessions import Sessions
from consumer.discovery import estate
from consumer.discovery.estate import Part
from consumer.discovery.past import past_of
from consumer.errors import PermissionDeniedError, RefusedError, VpcflowError


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that could not be read. `kept_from`: when what is shown instead was read; 0 = there is nothing."""

    target: str
    reason: str
    kept_from: float


Read = Callable[[Any], Iterator[Any]]
READINGS: tuple[tuple[str, Operation, Read], ...] = (
    ("subnets", operations.DESCRIBE_SUBNETS, estate.subnets_in),  # first: it tells whether a region is used at all
    ("vpcs", operations.DESCRIBE_VPCS, estate.vpcs_in),
    ("interfaces", operations.DESCRIBE_NETWORK_INTERFACES, estate.interfaces_in),
    ("instances", operations.DESCRIBE_INSTANCES, estate.instances_in),
    ("nat_gateways", operations.DESCRIBE_NAT_GATEWAYS, estate.nat_gateways_in),
    ("peerings", operations.DESCRIBE_VPC_PEERING_CONNECTIONS, estate.peerings_in),
    ("flow_logs", operations.DESCRIBE_FLOW_LOGS, estate.flow_logs_in),
    ("transit_gateways", operations.DESCRIBE_TRANSIT_GATEWAYS, estate.transit_gateways_in),
    ("attachments", operations.DESCRIBE_TRANSIT_GATEWAY_ATTACHMENTS, estate.attachments_in),
)
"""Field of a part, the call that fills it, and how one item of the answer is read."""


def read_part(
    sessions: Sessions, target: Target, old: Part | None, now: float, *, may_be_unused: bool = False
) -> tuple[Part | None, list[Problem]]:
    """What `target` has now, and what could not be read. Blocks for seconds; never raises for a failing target.

    A denied call costs what it would have told (its old answer stays); anything else that fails keeps the whole old
    part, because the next call would only wait for the same time-out. `may_be_unused`: nobody named this region, so
    one call decides: without a subnet that somebody made or uses, nothing in it can send or receive.
    """
    problems: list[Problem] = []
    kept_from = old.taken_at if old else 0.0
    unread: set[str] = set()
    try:
        account = sessions.account(target.access)
        if old is not None and old.account != account:  # other credentials than those of the last run
            old, kept_from = None, 0.0
        sessions.client("ec2", target)  # a role that cannot be assumed is one problem, not one of every call
        fields: dict[str, Any] = {}
        for name, operation, read in READINGS:
            try:
                fields[name] = tuple(_read_all(sessions, operation, target, read))
            except (PermissionDeniedError, RefusedError) as error:
                fields[name] = getattr(old, name) if old else ()
                problems.append(Problem(target.label(), str(error), kept_from))
                if old is None or name in old.unread:
                    unread.add(name)
            if may_be_unused and name == "subnets" and not problems and not any(one.is_used for one in fields[name]):
                part = Part(account, target.region, now, is_unused=True)
                return replace(part, past=past_of(old, part, now)), []
    except VpcflowError as error:
        return old, [Problem(target.label(), str(error), kept_from)]
    if len(problems) == len(READINGS):
        return old, problems
    fields["flow_logs"] = tuple(replace(one, account=account, region=target.region) for one in fields["flow_logs"])
    part = Part(account, target.region, now, **fields, unread=frozenset(unread))
    return replace(part, past=past_of(old, part, now)), problems


def read_interfaces(sessions: Sessions, target: Target, part: Part, ids: list[str]) -> Part:
    """`part` with these interfaces, as far as AWS knows them, and the instances they are attached to.

    One call or two; `part` itself when nothing was found. Raises VpcflowError when AWS cannot be asked.
    """
    by_id = [{"Name": "network-interface-id", "Values": ids}]
    interfaces = tuple(
        _read_all(sessions, operations.DESCRIBE_NETWORK_INTERFACES, target, estate.interfaces_in, Filters=by_id)
    )
    known = {one.id for one in part.instances}
    wanted = sorted({one.instance_id for one in interfaces if one.instance_id} - known)
    instances: tuple[Any, ...] = ()
    if wanted:
        by_id = [{"Name": "instance-id", "Values": wanted}]
        instances = tuple(
            _read_all(sessions, operations.DESCRIBE_INSTANCES, target, estate.instances_in, Filters=by_id)
        )
    if not interfaces:
        return part
    found = {one.id for one in interfaces}
    kept = tuple(one for one in part.interfaces if one.id not in found)
    return replace(part, interfaces=kept + interfaces, instances=part.instances + instances)


def _read_all(sessions: Sessions, operation: Operation, target: Target, read: Read, **parameters: Any) -> Iterator[Any]:
    """Every item, read; an answer of a shape that EC2 does not document is refused as a whole."""
    for raw in items(sessions, operation, target, **parameters):
        try:
            yield from read(raw)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise RefusedError(operation.action, "UnknownShape", f"{type(error).__name__}: {error}") from error

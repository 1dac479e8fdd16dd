"""A survey and its plan as plain data: what `vpcflow discover --json` prints and its tables are made of.

Belongs here: the shape, which others may rely on. Does not: printing (show.py), writing settings (save.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address
from typing import Any, TypeVar

from consumer.aws.profiles import Profile
from consumer.aws.roles import Access, Role
from consumer.aws.sessions import Sessions
from consumer.discovery.arn import Arn
from consumer.discovery.estate.values import Part, TransitGateway, Vpc
from consumer.discovery.plan.buckets import Bucket, bucket_of
from consumer.discovery.plan.coverage import cover_gateways, cover_vpcs
from consumer.discovery.plan.survey import LogGroup, Stream, Survey, group_of
from consumer.errors import VpcflowError
from consumer.model.inventory import Inventory
from consumer.model.plan import FlowLog, Plan

Row = dict[str, Any]
Thing = TypeVar("Thing", Vpc, TransitGateway)


def report(survey: Survey, plan: Plan, inventory: Inventory, sessions: Sessions) -> dict[str, list[Row]]:
    """Lists of objects by what they are; every list is in a stable order."""
    parts = sorted(distinct_parts(survey), key=lambda part: (part.account, part.region))
    return {
        "accounts": list(_accounts(sessions)),
        "regions": list(_regions(survey, sessions)),
        "vpcs": list(_vpcs(parts, inventory, plan)),
        "flow_logs": [_flow_log(one) for one in survey.flow_logs],
        "streams": [_stream(one, survey.log_groups) for one in survey.streams],
        "log_groups": [_log_group(one, survey.flow_logs) for one in survey.log_groups],
        "buckets": [_bucket(one, survey.flow_logs) for one in survey.buckets],
        "transit_gateways": list(_transit_gateways(parts)),
        "plan": plan_rows(plan),
        "problems": _problems(survey, sessions),
    }


def plan_rows(plan: Plan) -> list[Row]:
    """The decision on each flow log."""
    return [
        {
            "flow_log": one.flow_log.id,
            "source": one.source.value if one.source else None,
            "via": one.via,
            "reason": one.reason,
            "also": list(one.also),
            "if_it_fails": one.if_it_fails or None,
            "notes": list(one.notes),
            "without": list(one.excluding),
            "covered_by": list(one.covered_by),
        }
        for one in plan.choices.values()
    ]


def distinct_parts(survey: Survey) -> list[Part]:
    """Parts, one an account and region, the first who read it."""
    return list({(part.account, part.region): part for part in reversed(list(survey.parts.values()))}.values())


def access_words(access: Access) -> str:
    """As whom, in words."""
    match access:
        case None:
            return "own credentials"
        case Role():
            return f"role {access.arn}"
        case Profile():
            return f"profile {access.name}"


def _accounts(sessions: Sessions) -> Iterator[Row]:
    for one in sessions.account_targets():
        yield {"id": _account(sessions, one.access), "access": access_words(one.access), "regions": len(one.regions)}


def _account(sessions: Sessions, access: Access) -> str | None:
    try:
        return sessions.account(access)
    except VpcflowError:
        return None  # it is a problem of each of its regions already


def _regions(survey: Survey, sessions: Sessions) -> Iterator[Row]:
    for account in sessions.account_targets():
        failed = {problem.target for problem in survey.problems}
        for target in account.targets():
            part = survey.parts.get(target)
            state = "failed" if part is None else "unused" if part.is_unused else "read"
            if state == "read" and target.label() in failed:
                state = "incomplete"
            yield {
                "account": _account(sessions, account.access),
                "region": target.region,
                "state": state,
                "vpcs": len(part.vpcs) if part else None,
                "interfaces": len(part.interfaces) if part else None,
                "flow_logs": len(part.flow_logs) if part else None,
            }


def _vpcs(parts: Sequence[Part], inventory: Inventory, plan: Plan) -> Iterator[Row]:
    covered = cover_vpcs(parts)
    found = _by_owner((vpc, part) for part in parts for vpc in part.vpcs)
    for vpc, region in sorted(found, key=lambda one: (one[1], one[0].account, one[0].name, one[0].id)):
        number = inventory.vpc_numbers.get(vpc.id.encode(), 0)
        coverage = covered[vpc.id]
        yield {
            "id": vpc.id,
            "name": vpc.name,
            "account": vpc.account,
            "region": region,
            "cidrs": list(vpc.networks),
            "is_default": vpc.is_default,
            "exporter_address": str(IPv4Address(int(inventory.vpc_exporters[number]))) if number else None,
            "logged": coverage.is_logged,
            "reason": coverage.reason,
            "flow_logs": list(coverage.flow_logs),
            "reported": any(plan.choices[name].source for name in coverage.flow_logs),
            "interfaces": coverage.interface_count,
            "logged_interfaces": coverage.logged_interface_count,
        }


def _by_owner(seen: Iterable[tuple[Thing, Part]]) -> list[tuple[Thing, str]]:
    """Each once, with its region. What is shared is seen by several accounts; only its owner's part has the name."""
    best: dict[str, tuple[Thing, str]] = {}
    for thing, part in seen:
        if thing.id not in best or thing.account == part.account:
            best[thing.id] = (thing, part.region)
    return list(best.values())


def _flow_log(one: FlowLog) -> Row:
    return {
        "id": one.id,
        "account": one.account,
        "region": one.region,
        "resource": one.resource_id,
        "traffic": one.traffic,
        "format": one.log_format,
        "destination_type": one.destination_type,
        "destination": one.destination or one.log_group,
        "aggregation_seconds": one.interval_seconds,
        "delivery_status": one.delivery_status or None,
        "delivery_error": one.delivery_error or None,
    }


def _stream(one: Stream, groups: Sequence[LogGroup]) -> Row:
    arn = Arn.parse(one.arn)
    assert arn is not None, "a survey holds parsed ARNs only"
    return {
        "arn": one.arn,
        "name": arn.resource.removeprefix("stream/"),
        "account": arn.account,
        "region": arn.region,
        "status": one.status or None,
        "mode": one.mode or None,
        "shards": one.shard_count,
        "retention_hours": one.retention_hours,
        "consumers": [{"name": consumer.name, "status": consumer.status} for consumer in one.consumers],
        "log_groups": [
            f"{group.account}/{group.region}/{group.name}"
            for group in groups
            if any(subscription.stream == one.arn for subscription in group.subscriptions)
        ],
    }


def _log_group(one: LogGroup, flow_logs: Sequence[FlowLog]) -> Row:
    place = (one.account, one.region, one.name)
    writing = [log for log in flow_logs if (to := group_of(log)) and (to.account, to.region, to.name) == place]
    return {
        "name": one.name,
        "account": one.account,
        "region": one.region,
        "flow_logs": [log.id for log in writing],
        "subscriptions": [
            {
                "name": subscription.name,
                "destination": subscription.destination,
                "stream": subscription.stream or None,
                "pattern": subscription.pattern,
            }
            for subscription in one.subscriptions
        ],
    }


def _bucket(one: Bucket, flow_logs: Sequence[FlowLog]) -> Row:
    return {
        "name": one.name,
        "region": one.region,
        "flow_logs": [log.id for log in flow_logs if bucket_of(log) == one.name],
        "queues": [
            {
                "arn": queue.arn,
                "url": queue.url or None,
                "waiting": queue.waiting if queue.waiting >= 0 else None,
                "dead_letter": queue.dead_letter_arn or None,
                "topic": queue.topic or None,
                "prefix": queue.prefix or None,
            }
            for queue in one.queues
        ],
        "other_notifications": list(one.others),
    }


def _transit_gateways(parts: Sequence[Part]) -> Iterator[Row]:
    covered = cover_gateways(parts)
    attachments = {one.id: one for part in parts for one in part.attachments}
    gateways = _by_owner((gateway, part) for part in parts for gateway in part.transit_gateways)
    for gateway, region in sorted(gateways, key=lambda pair: (pair[0].account, pair[1], pair[0].id)):
        yield {
            "id": gateway.id,
            "name": gateway.name,
            "account": gateway.account,
            "region": region,
            "logged": covered[gateway.id].is_logged,
            "reason": covered[gateway.id].reason,
            "flow_logs": list(covered[gateway.id].flow_logs),
            "attachments": [
                {
                    "id": one.id,
                    "type": one.kind,
                    "resource": one.resource_id,
                    "account": one.resource_account,
                    "state": one.state,
                }
                for one in attachments.values()
                if one.gateway_id == gateway.id
            ],
        }


def _problems(survey: Survey, sessions: Sessions) -> list[Row]:
    """What could not be read, and what AWS itself says is broken; each said once."""
    said = [(problem.target, problem.reason) for problem in survey.problems]
    said += [("settings", text) for text in sessions.warnings]
    said += [
        (f"{one.account}/{one.region}", f"{one.id} of {one.resource_id} is not delivered: {one.delivery_error}")
        for one in survey.flow_logs
        if one.is_failing
    ]
    return [{"where": where, "reason": reason} for where, reason in dict.fromkeys(said)]

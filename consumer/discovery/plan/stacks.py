"""Our CloudFormation stacks, recognised, and what of them is missing or does not work.

Belongs here: asking AWS about what a stack of cloudformation/ made, and putting what is wrong into words with the fix.
Does not: printing (consumer/tools/check_stack.py). A stack is ours when it has the output VpcflowTemplate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from consumer.aws import operations
from consumer.aws.paging import items
from consumer.aws.roles import Target
from consumer.aws.sessions import Sessions
from consumer.errors import RefusedError, VpcflowError

MARK = "VpcflowTemplate"
_HEALTHY = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")


@dataclass(frozen=True, slots=True)
class StackReport:
    """One stack in one place. `problems`: each says what is wrong and what to do; none = it does its job."""

    account: str
    region: str
    name: str
    template: str
    found: tuple[str, ...]
    problems: tuple[str, ...]


def look_at_stacks(
    sessions: Sessions, name: str, targets: Sequence[Target], roles: Sequence[str] = ()
) -> Iterator[StackReport]:
    """The stack `name` in every account and region that has it. `roles`: those of the configuration. Blocks.

    A place that does not answer is a report with that problem.
    """
    for target in targets:
        try:
            described = sessions.call(operations.DESCRIBE_STACKS, target, StackName=name)["Stacks"]
        except RefusedError:
            continue  # ValidationError: there is none of that name here
        except VpcflowError as error:
            yield StackReport(target.label().split("/")[0], target.region, name, "", (), (str(error),))
            continue
        for stack in described:
            yield _report(sessions, target, stack, roles)


def _report(sessions: Sessions, target: Target, stack: dict[str, Any], roles: Sequence[str]) -> StackReport:
    outputs = {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", ())}
    template = outputs.get(MARK, "")
    found: list[str] = []
    problems: list[str] = []
    if stack["StackStatus"] not in _HEALTHY:
        problems.append(f"the stack is {stack['StackStatus']}: {stack.get('StackStatusReason') or 'see its events'}")
    if not template:
        problems.append(f"this is not a stack of cloudformation/ (it has no output {MARK})")
    look = _LOOKS.get(template.split(" ")[0])
    if look is not None:
        try:
            look(_Look(sessions, target, outputs, roles, found, problems))
        except VpcflowError as error:
            problems.append(str(error))
    account = stack["StackId"].split(":")[4]
    return StackReport(account, target.region, stack["StackName"], template, tuple(found), tuple(problems))


@dataclass(frozen=True, slots=True)
class _Look:
    """What one look needs; it adds to `found` and `problems`."""

    sessions: Sessions
    target: Target
    outputs: dict[str, str]
    roles: Sequence[str]
    found: list[str]
    problems: list[str]


def _look_at_region(look: _Look) -> None:
    group = look.outputs["LogGroupName"]
    filters = [{"Name": "log-group-name", "Values": [group]}]
    logs = list(items(look.sessions, operations.DESCRIBE_FLOW_LOGS, look.target, Filters=filters))
    if not logs:
        look.problems.append(
            f"no flow log writes into {group}: set VpcId1 of the stack, or make one with the role "
            f"{look.outputs.get('PublishRoleArn', 'PublishRoleArn')}"
        )
    for log in logs:
        look.found.append(f"flow log {log['FlowLogId']} of {log['ResourceId']} writes into {group}")
        if log.get("DeliverLogsStatus") == "FAILED":
            why = log.get("DeliverLogsErrorMessage", "no reason given")
            look.problems.append(f"flow log {log['FlowLogId']} of {log['ResourceId']} cannot deliver: {why}")
    wanted = look.outputs.get("StreamArn") or look.outputs.get("DestinationArn", "")
    subscriptions = list(
        items(look.sessions, operations.DESCRIBE_SUBSCRIPTION_FILTERS, look.target, logGroupName=group)
    )
    if any(one["destinationArn"] == wanted for one in subscriptions):
        look.found.append(f"{group} is subscribed to {wanted}")
    else:
        others = ", ".join(one["destinationArn"] for one in subscriptions) or "nothing"
        look.problems.append(f"{group} is subscribed to {others}, not to {wanted}: update the stack")
    if name := look.outputs.get("StreamName"):
        _look_at_stream(look, name)


def _look_at_stream(look: _Look, name: str) -> None:
    answer = look.sessions.call(operations.DESCRIBE_STREAM_SUMMARY, look.target, StreamName=name)
    summary = answer["StreamDescriptionSummary"]
    look.found.append(
        f"stream {name}: {summary['StreamStatus']}, {summary['OpenShardCount']} open shards, "
        f"{summary['RetentionPeriodHours']} h"
    )
    if summary["StreamStatus"] not in ("ACTIVE", "UPDATING"):
        look.problems.append(f"stream {name} is {summary['StreamStatus']}")
    if summary.get("EncryptionType", "NONE") == "NONE":
        look.problems.append(f"stream {name} is not encrypted, although the template does it: update the stack")


def _look_at_destination(look: _Look) -> None:
    arn = look.outputs["DestinationArn"]
    name = arn.rpartition(":")[2]
    known = items(look.sessions, operations.DESCRIBE_DESTINATIONS, look.target, DestinationNamePrefix=name)
    same = next((one for one in known if one["destinationName"] == name), None)
    if same is None:
        look.problems.append(f"the destination {arn} is gone: update the stack")
    else:
        look.found.append(f"destination {name} delivers into {same['targetArn']}")


def _look_at_member_role(look: _Look) -> None:
    arn = look.outputs["RoleArn"]
    if any(role.split(",")[0] == arn for role in look.roles):
        look.found.append(f"{arn} is in the configuration")
    else:
        look.problems.append(f"{arn} is not in the configuration: add it to roles in [aws], with its external id")


def _look_at_agent_role(look: _Look) -> None:
    role = look.outputs.get("RoleArn", "").rpartition("/")[2]
    who = look.sessions.call(operations.GET_CALLER_IDENTITY, look.target)["Arn"]
    if role and f":assumed-role/{role}/" not in who:
        look.found.append(f"asked as {who}; the agent should run as {role}")
    else:
        look.found.append(f"asked as {who}")


_LOOKS: dict[str, Callable[[_Look], None]] = {
    "flow-logs-region": _look_at_region,
    "central-destination": _look_at_destination,
    "member-role": _look_at_member_role,
    "agent-role": _look_at_agent_role,
}
"""Template → what is looked at besides the stack's own state."""

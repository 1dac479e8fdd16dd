"""Rows the plan leaves out: the compiled view against plain Python, for any mixture of overlapping flow logs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.aws.roles import Target
from consumer.decode.decoder import Decoder
from consumer.discovery.estate.values import Interface, Part, Subnet, Vpc
from consumer.discovery.plan.buckets import Bucket, Queue
from consumer.discovery.plan.choosing import Wishes, make_plan
from consumer.discovery.plan.survey import LogGroup, Survey
from consumer.model.delivery import Origin, SourceKind, TextState
from consumer.model.flow_batch import FlowBatch
from consumer.model.log_format import LogFormat
from consumer.model.plan import FlowLog, Plan
from consumer.select.plan import Place, compile_reporting, with_stand_ins

ACCOUNT, REGION = "111111111111", "eu-west-1"
INSIDE = {
    "eni-1": ("subnet-1", "vpc-1"),
    "eni-2": ("subnet-1", "vpc-1"),
    "eni-3": ("subnet-2", "vpc-1"),
    "eni-4": ("subnet-3", "vpc-2"),
}
"""Interface → what it lies in; eni-9 is unknown."""
RESOURCES = [*INSIDE, "subnet-1", "subnet-2", "subnet-3", "vpc-1", "vpc-2"]
FORMATS = ["interface-id action start", "version interface-id action start bytes"]
GROUPS = ["/a", "/b"]


@st.composite
def flow_logs(draw: st.DrawFn) -> list[FlowLog]:
    count = draw(st.integers(0, 6))
    return [
        FlowLog(
            id=f"fl-{number}",
            account=ACCOUNT,
            region=REGION,
            resource_id=draw(st.sampled_from(RESOURCES)),
            traffic=draw(st.sampled_from(["ALL", "ACCEPT", "REJECT"])),
            log_format=draw(st.sampled_from(FORMATS)),
            destination_type=(kind := draw(st.sampled_from(["cloud-watch-logs", "s3"]))),
            destination="arn:aws:s3:::lake" if kind == "s3" else "",
            log_group="" if kind == "s3" else draw(st.sampled_from(GROUPS)),
            interval_seconds=60,
            delivery_status=draw(st.sampled_from(["SUCCESS", "FAILED"])),
            delivery_error="",
        )
        for number in range(count)
    ]


def plan_of(logs: list[FlowLog]) -> Plan:
    interfaces = tuple(
        Interface(name, "", ACCOUNT, vpc, subnet, "", "", "interface", "", "", False, (), (), (), {})
        for name, (subnet, vpc) in INSIDE.items()
    )
    subnets = tuple(Subnet(name, "", vpc, "", ()) for name, vpc in sorted(set(INSIDE.values())))
    vpcs = tuple(Vpc(name, "", ACCOUNT, ()) for name in ("vpc-1", "vpc-2"))
    survey = Survey(
        {Target(None, REGION): Part(ACCOUNT, REGION, 0.0, vpcs, subnets, interfaces, flow_logs=tuple(logs))},
        tuple(logs),
        tuple(LogGroup(ACCOUNT, REGION, name) for name in GROUPS),
        (),
        (Bucket("lake", REGION, ACCOUNT, (Queue("arn:aws:sqs:eu-west-1:111111111111:news"),)),),
        (),
    )
    return make_plan(survey, Wishes(queues={(ACCOUNT, REGION, "news"): True}))


def places_of(logs: Iterable[FlowLog]) -> Mapping[str, Place]:
    return {
        one.id: (ACCOUNT, one.log_group) if one.destination_type == "cloud-watch-logs" else ("flow log", one.id)
        for one in logs
    }


def batch_of(log_format: str, rows: list[tuple[str, str]]) -> FlowBatch:
    """One batch with these interfaces and actions; `start` is the row's number."""
    text = "".join(
        " ".join({"interface-id": eni, "action": action, "start": str(1000 + number)}.get(name, "7")
                 for name in log_format.split())
        + "\n"
        for number, (eni, action) in enumerate(rows)
    )  # fmt: skip
    state = TextState(LogFormat.from_text(log_format))
    pieces = list(Decoder().decode(text.encode(), Origin(SourceKind.FILE), state, lambda _: []))
    (batch,) = [piece.batch for piece in pieces if piece.batch is not None]
    assert batch.row_count == len(rows)
    return batch


def is_reported(plan: Plan, logs: list[FlowLog], place: Place, log_format: str, eni: str, action: str) -> bool:
    """The rule, row by row, as the module's docstring says it."""
    around = {eni, *INSIDE.get(eni, ())}
    here = [one for one in logs if places_of([one])[one.id] == place and one.log_format == log_format]
    if place[0] == "flow log" and here and here[0].resource_id not in around:
        # An object names its flow log: its rows lie in what that is about, whatever we know of their interface.
        resource = here[0].resource_id
        vpcs = {vpc for subnet, vpc in INSIDE.values() if subnet == resource}
        around = {resource, *INSIDE.get(resource, ()), *vpcs}
    writers = [one.id for one in here if one.resource_id in around and action in one.actions]
    reporter = next(
        (
            name
            for name in plan.order
            if plan.choices[name].flow_log.resource_id in around and action in plan.choices[name].flow_log.actions
        ),
        None,
    )
    return not writers or reporter is None or reporter in writers


ROWS = st.lists(st.tuples(st.sampled_from([*INSIDE, "eni-9"]), st.sampled_from(["ACCEPT", "REJECT", "-"])), min_size=1)


@settings(deadline=None)
@given(flow_logs(), ROWS, st.sampled_from(FORMATS), st.sampled_from(["/a", "/b", "/unknown", "fl-0", "fl-1"]))
def test_the_compiled_view_reports_what_plain_python_reports(
    logs: list[FlowLog], rows: list[tuple[str, str]], log_format: str, where: str
) -> None:
    plan = plan_of(logs)
    is_object = where.startswith("fl-")
    place = ("flow log", where) if is_object else (ACCOUNT, where)
    kind = SourceKind.S3 if is_object else SourceKind.CLOUDWATCH
    origin = Origin(
        kind, account=ACCOUNT, log_group=None if is_object else where, flow_log_id=where if is_object else None
    )
    batch = batch_of(log_format, rows)

    selection = compile_reporting(plan, places_of(logs)).rows(batch, np.arange(len(rows)), origin, 0.0)

    expected = [
        number
        for number, (eni, action) in enumerate(rows)
        if action == "-" or is_reported(plan, logs, place, log_format, eni, action)
    ]
    assert selection.rows.tolist() == expected
    assert selection.dropped.total() == len(rows) - len(expected)
    assert selection.rows.flags.c_contiguous


@settings(deadline=None)
@given(flow_logs())
def test_every_flow_that_a_working_flow_log_records_is_reported_by_one_place_and_format(logs: list[FlowLog]) -> None:
    """Each flow log writes its line of a flow; of all lines, those of one log format at one place go out."""
    plan = plan_of(logs)
    reporting = compile_reporting(plan, MappingProxyType(places_of(logs)))
    for eni, above in INSIDE.items():
        for action in ("ACCEPT", "REJECT"):
            writers = [one for one in logs if one.resource_id in (eni, *above) and action in one.actions]
            told = set()
            for one in writers:
                is_object = one.destination_type == "s3"
                origin = Origin(
                    SourceKind.S3 if is_object else SourceKind.CLOUDWATCH,
                    account=ACCOUNT,
                    log_group=one.log_group or None,
                    flow_log_id=one.id if is_object else None,
                )
                selection = reporting.rows(batch_of(one.log_format, [(eni, action)]), np.arange(1), origin, 0.0)
                if len(selection.rows):
                    told.add((places_of([one])[one.id], one.log_format))
            assert len(told) == (1 if writers else 0)


@settings(deadline=None)
@given(flow_logs(), ROWS, st.sampled_from(FORMATS), st.sampled_from(["/a", "/b", "fl-0", "fl-1"]), st.data())
def test_while_groups_have_failed_s3_reports_their_flows_from_then_on_and_nothing_else_changes(
    logs: list[FlowLog], rows: list[tuple[str, str]], log_format: str, where: str, data: st.DataObject
) -> None:
    plan = plan_of(logs)
    of_groups = [one.id for one in logs if one.log_group]
    failed = dict.fromkeys(data.draw(st.sets(st.sampled_from(of_groups)) if of_groups else st.just(set())), 1003.0)
    is_object = where.startswith("fl-")
    place = ("flow log", where) if is_object else (ACCOUNT, where)
    origin = Origin(
        SourceKind.S3 if is_object else SourceKind.CLOUDWATCH,
        account=ACCOUNT,
        log_group=None if is_object else where,
        flow_log_id=where if is_object else None,
    )
    batch = batch_of(log_format, rows)
    base = compile_reporting(plan, places_of(logs))

    kept = with_stand_ins(base, plan, places_of(logs), failed).rows(batch, np.arange(len(rows)), origin, 0.0)

    helps = is_object and where in plan.choices and set(plan.choices[where].stands_in_for) & set(failed)
    helpers = [name for name, one in plan.choices.items() if set(one.stands_in_for) & set(failed)]
    order = [name for name in plan.order if name not in failed]
    without = Plan(plan.choices, (*order, *(one for one in helpers if one not in plan.order)), plan.inside)
    expected = [
        number
        for number, (eni, action) in enumerate(rows)
        if action == "-"
        or is_reported(plan, logs, place, log_format, eni, action)
        or (helps and 1000 + number >= 1003 and is_reported(without, logs, place, log_format, eni, action))
    ]
    assert kept.rows.tolist() == expected
    assert kept.dropped.total() == len(rows) - len(expected)
    assert kept.rows.dtype == base.rows(batch, np.arange(len(rows)), origin, 0.0).rows.dtype
    assert kept.rows.flags.c_contiguous

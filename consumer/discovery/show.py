"""A discovery report as tables for people.

Belongs here: words and colours. Does not: the data (report.py). What needs attention is red and says why.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

Row = Mapping[str, Any]


def show(report: Mapping[str, Sequence[Row]], call_counts: Mapping[str, int], seconds: float, console: Console) -> None:
    """Print every part of the report that has rows, then problems and what it cost."""
    for title, table in _tables(report):
        if table.row_count:
            table.title, table.title_justify = title, "left"
            console.print(table)
            console.print()
    for problem in report["problems"]:
        console.print(f"[red]problem[/] {escape(problem['where'])}: {escape(problem['reason'])}", soft_wrap=True)
    console.print(summary(report, call_counts, seconds), soft_wrap=True, highlight=False)


def summary(report: Mapping[str, Sequence[Row]], call_counts: Mapping[str, int], seconds: float) -> str:
    """One line: what there is, and what finding it cost."""
    unlogged = sum(1 for vpc in report["vpcs"] if vpc["logged"] is False and vpc["interfaces"])
    calls = ", ".join(f"{name.partition(':')[2]} {count}" for name, count in sorted(call_counts.items()))
    return (
        f"{len(report['accounts'])} accounts, {len(report['vpcs'])} VPCs ({unlogged} in use and not logged), "
        f"{len(report['flow_logs'])} flow logs, {len(report['problems'])} problems; "
        f"{sum(call_counts.values())} API calls in {seconds:.1f} s ({calls})"
    )


def _tables(report: Mapping[str, Sequence[Row]]) -> Iterator[tuple[str, Table]]:
    yield "Accounts", _table(("account", "read as"), ((one["id"], one["access"]) for one in report["accounts"]))
    used = [one for one in report["regions"] if one["state"] != "unused"]
    unused = len(report["regions"]) - len(used)
    title = f"Regions ({unused} more are unused)" if unused else "Regions"
    yield (
        title,
        _table(
            ("account", "region", "state", "VPCs", "interfaces", "flow logs"),
            (
                (
                    one["account"],
                    one["region"],
                    _good(one["state"], one["state"] == "read"),
                    one["vpcs"],
                    one["interfaces"],
                    one["flow_logs"],
                )
                for one in used
            ),
        ),
    )
    yield "VPCs", _table(("VPC", "name", "account", "region", "CIDRs", "exporter", "logged"), map(_vpc, report["vpcs"]))
    plan = {one["flow_log"]: one for one in report["plan"]}
    yield (
        "Flow logs",
        _table(
            ("flow log", "of", "traffic", "fields", "delivery", "reported by", "because", "if it fails"),
            (_flow_log(one, plan[one["id"]]) for one in report["flow_logs"]),
        ),
    )
    yield (
        "Kinesis streams",
        _table(("stream", "account", "region", "status", "shards", "consumers", "log groups"), _streams(report)),
    )
    yield "Log groups", _table(("log group", "account", "region", "subscriptions"), _log_groups(report))
    yield "Buckets", _table(("bucket", "region", "queue", "waiting", "flow logs"), _buckets(report))
    yield (
        "Transit gateways",
        _table(
            ("transit gateway", "name", "account", "region", "attachments", "logged"),
            (
                (
                    one["id"],
                    one["name"],
                    one["account"],
                    one["region"],
                    len(one["attachments"]),
                    _logged(one, is_used=bool(one["attachments"])),
                )
                for one in report["transit_gateways"]
            ),
        ),
    )


def _vpc(one: Row) -> tuple[object, ...]:
    return (
        one["id"],
        f"{one['name']} (default)".strip() if one["is_default"] else one["name"],
        one["account"],
        one["region"],
        " ".join(one["cidrs"]),
        one["exporter_address"],
        _logged(one, is_used=bool(one["interfaces"])),
    )


def _logged(one: Row, *, is_used: bool) -> _Text:
    """Red only where something goes unseen: nothing flows in a VPC without interfaces."""
    if one["logged"] and not one.get("reported", True):
        return _good(f"yes, {one['reason']}, but nobody reports it", False)
    if one["logged"]:
        return _good(f"yes, {one['reason']}", True)
    if one["logged"] is None:
        return _good(f"unknown: {one['reason']}", False)
    return _good(f"NO: {one['reason']}", False) if is_used else _Text("[dim]no, and nothing in it uses the network[/]")


def _flow_log(one: Row, choice: Row) -> tuple[object, ...]:
    delivery = one["delivery_status"] or "nothing yet"
    if one["delivery_error"]:
        delivery += f": {one['delivery_error']}"
    return (
        one["id"],
        one["resource"],
        one["traffic"],
        len(one["format"].split()),
        _good(delivery, one["delivery_status"] != "FAILED"),
        choice["source"] or _good("nobody", bool(choice["covered_by"])),
        "; ".join((choice["reason"], *choice["notes"], *(f"also: {other}" for other in choice["also"]))),
        choice["if_it_fails"],
    )


def _streams(report: Mapping[str, Sequence[Row]]) -> Iterator[tuple[object, ...]]:
    for one in report["streams"]:
        consumers = ", ".join(f"{consumer['name']} {consumer['status']}" for consumer in one["consumers"])
        status = _good(one["status"] or "could not be read", one["status"] == "ACTIVE")
        groups = len(one["log_groups"])
        yield one["name"], one["account"], one["region"], status, one["shards"], consumers, groups


def _log_groups(report: Mapping[str, Sequence[Row]]) -> Iterator[tuple[object, ...]]:
    for one in report["log_groups"]:
        targets = ", ".join(
            f"{subscription['name']} → {subscription['stream'] or subscription['destination']}"
            for subscription in one["subscriptions"]
        )
        yield one["name"], one["account"], one["region"], targets or "none"


def _buckets(report: Mapping[str, Sequence[Row]]) -> Iterator[tuple[object, ...]]:
    for one in report["buckets"]:
        for queue in one["queues"] or [{"arn": None, "waiting": None}]:
            name = queue["arn"] or _good("none", False)
            yield one["name"], one["region"], name, queue["waiting"], len(one["flow_logs"])


class _Text(str):
    """Text that already is markup; all other text in a table comes from AWS and is escaped."""


def _good(text: str, is_good: bool) -> _Text:
    return _Text(escape(text) if is_good else f"[red]{escape(text)}[/]")


def _table(names: Sequence[str], rows: Iterator[tuple[object, ...]] | map[tuple[object, ...]]) -> Table:
    table = Table(*names)
    for row in rows:
        table.add_row(*(cell if isinstance(cell, _Text) else escape("" if cell is None else str(cell)) for cell in row))
    return table

"""A discovery report as tables for people.

Belongs here: words and colours. Does not: the data (content.py). What needs attention is red and says why.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table
from rich.text import Text

Row = Mapping[str, Any]


def show(report: Mapping[str, Sequence[Row]], call_counts: Mapping[str, int], seconds: float, console: Console) -> None:
    """Print every part of the report that has rows, then problems and what it cost."""
    for title, table in _tables(report):
        if table.row_count:
            table.title, table.title_justify = title, "left"
            console.print(table)
            console.print()
    show_problems(report, console)
    console.print(summary(report, call_counts, seconds), soft_wrap=True, highlight=False)


def show_problems(report: Mapping[str, Sequence[Row]], console: Console) -> None:
    """One line each, however long."""
    for problem in report["problems"]:
        words = f"[red]problem[/] {escape(problem['where'])}: {escape(problem['reason'])}"
        console.print(words, soft_wrap=True, highlight=False)


def summary(report: Mapping[str, Sequence[Row]], call_counts: Mapping[str, int], seconds: float) -> str:
    """One line: what there is, and what finding it cost."""
    unlogged = sum(1 for vpc in report["vpcs"] if vpc["logged"] is False and vpc["interfaces"])
    accounts = len({one["id"] or one["access"] for one in report["accounts"]})
    calls = ", ".join(f"{name.partition(':')[2]} {count}" for name, count in sorted(call_counts.items()))
    return (
        f"{_counted(accounts, 'account')}, "
        f"{_counted(len(report['vpcs']), 'VPC')} ({unlogged} in use and not logged), "
        f"{_counted(len(report['flow_logs']), 'flow log')}, {_counted(len(report['problems']), 'problem')}; "
        f"{_counted(sum(call_counts.values()), 'API call')} in {seconds:.1f} s ({calls})"
    )


def _counted(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'}"


def _tables(report: Mapping[str, Sequence[Row]]) -> Iterator[tuple[str, Table]]:
    yield "Accounts", _table(("account", "read as"), ((one["id"], one["access"]) for one in report["accounts"]))
    used = [one for one in report["regions"] if one["state"] != "unused"]
    unused = len(report["regions"]) - len(used)
    title = f"Regions ({unused} more {'is' if unused == 1 else 'are'} unused)" if unused else "Regions"
    yield title, _table(("account", "region", "state", "VPCs", "interfaces", "flow logs"), map(_region, used))
    yield "VPCs", _table(("VPC", "CIDRs", "exporter", "logged"), map(_vpc, report["vpcs"]), whole=("VPC", "exporter"))
    plan = {one["flow_log"]: one for one in report["plan"]}
    rows = (_flow_log(one, plan[one["id"]]) for one in report["flow_logs"])
    yield (
        "Flow logs",
        _table(("flow log", "records", "reported by", "because"), rows, whole=("flow log", "reported by")),
    )
    yield "Kinesis streams", _table(("stream", "status", "shards", "consumers", "log groups"), _streams(report))
    yield "Log groups", _table(("log group", "subscriptions"), _log_groups(report))
    yield "Buckets", _table(("bucket", "queue", "waiting", "flow logs"), _buckets(report))
    gateways = map(_transit_gateway, report["transit_gateways"])
    yield "Transit gateways", _table(("transit gateway", "attachments", "logged"), gateways, whole=("transit gateway",))


def _place(one: Row) -> Text:
    return Text(f"{one['account']} {one['region']}", style="dim")


def _region(one: Row) -> tuple[object, ...]:
    state = _good(one["state"], one["state"] == "read")
    return one["account"], one["region"], state, one["vpcs"], one["interfaces"], one["flow_logs"]


def _vpc(one: Row) -> tuple[object, ...]:
    name = f"{one['name']} (default)".strip() if one["is_default"] else one["name"]
    logged = _logged(one, is_used=bool(one["interfaces"]))
    return _lines(one["id"], name, _place(one)), _lines(*one["cidrs"]), one["exporter_address"], logged


def _transit_gateway(one: Row) -> tuple[object, ...]:
    logged = _logged(one, is_used=bool(one["attachments"]))
    return _lines(one["id"], one["name"], _place(one)), len(one["attachments"]), logged


def _logged(one: Row, *, is_used: bool) -> Text:
    """Red only where something goes unseen: nothing flows in a VPC without interfaces."""
    if one["logged"] and not one.get("reported", True):
        return _good(f"yes, {one['reason']}, but nobody reports it", False)
    if one["logged"]:
        return _good(f"yes, {one['reason']}", True)
    if one["logged"] is None:
        return _good(f"unknown: {one['reason']}", False)
    return (
        _good(f"NO: {one['reason']}", False) if is_used else Text("no, and nothing in it uses the network", style="dim")
    )


def _flow_log(one: Row, choice: Row) -> tuple[object, ...]:
    delivery = one["delivery_status"] or "nothing yet"
    if one["delivery_error"]:
        delivery += f": {one['delivery_error']}"
    traffic = f"{one['traffic']}, {_counted(len(one['format'].split()), 'field')}"
    why = "; ".join((choice["reason"], *choice["notes"], *(f"also: {other}" for other in choice["also"])))
    return (
        _lines(one["id"], one["resource"], _place(one)),
        _lines(traffic, _good(delivery, one["delivery_status"] != "FAILED")),
        choice["source"] or _good("nobody", bool(choice["covered_by"])),
        _lines(why, choice["if_it_fails"] and f"if it fails: {choice['if_it_fails']}"),
    )


def _streams(report: Mapping[str, Sequence[Row]]) -> Iterator[tuple[object, ...]]:
    for one in report["streams"]:
        consumers = (f"{consumer['name']} {consumer['status']}" for consumer in one["consumers"])
        status = _good(one["status"] or "could not be read", one["status"] == "ACTIVE")
        yield _lines(one["name"], _place(one)), status, one["shards"], _lines(*consumers), len(one["log_groups"])


def _log_groups(report: Mapping[str, Sequence[Row]]) -> Iterator[tuple[object, ...]]:
    for one in report["log_groups"]:
        targets = (
            f"{subscription['name']} → {subscription['stream'] or subscription['destination']}"
            for subscription in one["subscriptions"]
        )
        yield _lines(one["name"], _place(one)), _lines(*targets) or _plain("none")


def _buckets(report: Mapping[str, Sequence[Row]]) -> Iterator[tuple[object, ...]]:
    for one in report["buckets"]:
        for queue in one["queues"] or [{"arn": None, "waiting": None}]:
            name = queue["arn"] or _good("none", False)
            yield _lines(one["name"], one["region"]), name, queue["waiting"], len(one["flow_logs"])


_WHOLE_LENGTH = 30
"""The longest ids (of an attachment, 28) and places (account and region) are shorter."""


def _good(text: str, is_good: bool) -> Text:
    return Text(text, style="" if is_good else "red")


def _lines(*parts: Text | str) -> Text:
    """One below the other, without what is empty."""
    return Text("\n").join(part if isinstance(part, Text) else Text(part) for part in parts if part)


def _table(
    names: Sequence[str], rows: Iterator[tuple[object, ...]] | map[tuple[object, ...]], whole: Collection[str] = ()
) -> Table:
    """`whole`: columns of what people copy, which is never cut or broken, so that 80 characters a line will do. A
    longer name in them is broken; whole it would leave no room for the other columns."""
    cells = [tuple(cell if isinstance(cell, Text) else _plain(cell) for cell in row) for row in rows]
    lines = [[line for cell in column for line in cell.plain.split("\n")] for column in zip(*cells, strict=True)]
    widths = [max((len(line) for line in column if len(line) <= _WHOLE_LENGTH), default=0) for column in lines]
    columns = (
        Column(name, min_width=width if name in whole else None, overflow="fold")
        for name, width in zip(names, widths or [0] * len(names), strict=True)
    )
    table = Table(*columns, box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for row in cells:
        table.add_row(*row)
    return table


def _plain(cell: object) -> Text:
    return Text("" if cell is None else str(cell))

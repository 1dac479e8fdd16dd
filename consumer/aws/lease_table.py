"""A KCL lease table, read whole and rarely.

Belongs here: the calls. Does not: what the items mean (kcl/leases.py), when to look (agent/lease_look.py). A look at
100 shards reads about 40 KB: five read units (DynamoDB developer guide, "Capacity unit consumption", half a unit for
4 KB read eventually consistent). KCL itself scans the table as often.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from consumer.aws.operations import SCAN
from consumer.aws.roles import Target
from consumer.aws.sessions import Sessions
from consumer.errors import RefusedError

PAGE_LIMIT = 4
"""Of 1 MB each: some 10,000 leases."""
_COLUMNS = ("leaseKey", "leaseOwner", "leaseCounter", "checkpoint")


def scan_leases(sessions: Sessions, target: Target, table: str) -> list[Mapping[str, Any]]:
    """Every item, with the columns that a lease has. Blocks; raises the errors of consumer.errors.

    RefusedError also for a table of more than PAGE_LIMIT pages: half of it would say something false.
    """
    found: list[Mapping[str, Any]] = []
    following: dict[str, Any] = {}
    for _ in range(PAGE_LIMIT):
        answer = sessions.call(SCAN, target, TableName=table, ProjectionExpression=", ".join(_COLUMNS), **following)
        found += answer.get("Items", ())
        if not answer.get("LastEvaluatedKey"):
            return found
        following = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}
    raise RefusedError(SCAN.action, "TooLarge", f"table {table} has more than {PAGE_LIMIT} MB")

"""One partition of the fleet's table in DynamoDB: items with a name, changed on condition.

Belongs here: the shape of the calls. Does not: what an item means (shared.py, heard.py), making calls (aws/, handed
in). Every method raises what `call` raises; a condition that does not hold is RefusedError, see `is_condition_failed`.
Expressions name an attribute `#attribute`, for some of the words are reserved, and a value `:value`.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from typing import Any

from consumer.clock import Clock
from consumer.errors import RefusedError, RetryableError, VpcflowError
from consumer.telemetry.logs import get_logger

Call = Callable[[str, Mapping[str, Any]], dict[str, Any]]
"""Makes one DynamoDB call, operation and parameters; raises the errors of consumer.errors."""
Item = dict[str, Any]
"""Attribute → what DynamoDB keeps: {"S": text}, {"N": digits} or {"B": octets}."""
Value = str | int | float | bytes

_ATTRIBUTE = re.compile(r"#(\w+)")
_ACTIVE_SECONDS = 60
"""How long a new table may take; AWS needs some ten."""
_TABLE: dict[str, Any] = {
    "AttributeDefinitions": [
        {"AttributeName": "fleet", "AttributeType": "S"},
        {"AttributeName": "item", "AttributeType": "S"},
    ],
    "KeySchema": [{"AttributeName": "fleet", "KeyType": "HASH"}, {"AttributeName": "item", "KeyType": "RANGE"}],
    "BillingMode": "PAY_PER_REQUEST",
}

log = get_logger("state")


class Partition:
    """The items of `table` whose key `fleet` is `partition`. Blocks; as thread-safe as `call`."""

    def __init__(self, call: Call, table: str, partition: str) -> None:
        self._call = call
        self._table = table
        self._partition = {"S": partition}

    def items(self, prefix: str = "") -> dict[str, Item]:
        """Every item whose name begins so, by its name; read whole, and as it is now."""
        found: dict[str, Item] = {}
        condition, values = "#fleet = :fleet", {":fleet": self._partition}
        if prefix:
            condition, values = f"{condition} AND begins_with(#item, :prefix)", {**values, ":prefix": {"S": prefix}}
        start: Mapping[str, Any] = {}
        while True:
            answer = self._call(
                "Query",
                {
                    "TableName": self._table,
                    "KeyConditionExpression": condition,
                    "ExpressionAttributeNames": _names(condition),
                    "ExpressionAttributeValues": values,
                    "ConsistentRead": True,
                    **start,
                },
            )
            found.update((item["item"]["S"], item) for item in answer["Items"])
            if not answer.get("LastEvaluatedKey"):
                return found
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def read(self, name: str) -> Item:
        """One item; empty when there is none."""
        item: Item = self._on_item("GetItem", name, {"ConsistentRead": True}).get("Item", {})
        return item

    def change(self, name: str, change: str, values: Mapping[str, Value], condition: str = "") -> None:
        """Make or change an item by an update expression."""
        self._on_item("UpdateItem", name, {"UpdateExpression": change, **_when(condition, values, change)})

    def changed(self, name: str, change: str, values: Mapping[str, Value], condition: str = "") -> Item:
        """The same; gives the whole item as it is then."""
        update = {"UpdateExpression": change, **_when(condition, values, change), "ReturnValues": "ALL_NEW"}
        item: Item = self._on_item("UpdateItem", name, update)["Attributes"]
        return item

    def delete(self, name: str, values: Mapping[str, Value] | None = None, condition: str = "") -> None:
        """Remove an item."""
        self._on_item("DeleteItem", name, _when(condition, values or {}))

    def make_table(self, clock: Clock, stop: threading.Event) -> None:
        """Make the table where there is none, and wait until it can be used."""
        try:
            self._call("DescribeTable", {"TableName": self._table})
        except RefusedError as error:
            if error.code != "ResourceNotFoundException":
                raise
        else:
            return
        try:
            self._call("CreateTable", _TABLE | {"TableName": self._table})
            log.info("state table made", table=self._table)
        except RefusedError as error:
            if error.code != "ResourceInUseException":  # another agent makes it at this moment
                raise
        for _ in range(_ACTIVE_SECONDS):
            answer = self._call("DescribeTable", {"TableName": self._table})
            if answer["Table"]["TableStatus"] == "ACTIVE":
                return
            clock.wait(stop, 1.0)
        raise RetryableError(f"the table {self._table} does not become active")

    def _on_item(self, operation: str, name: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        key = {"fleet": self._partition, "item": {"S": name}}
        return self._call(operation, {"TableName": self._table, "Key": key, **parameters})


def is_condition_failed(error: VpcflowError) -> bool:
    """Whether the item was not as the condition wanted it."""
    return isinstance(error, RefusedError) and error.code == "ConditionalCheckFailedException"


def text_of(item: Item, attribute: str) -> str:
    """An attribute of text; empty where there is none."""
    value = item.get(attribute)
    return value["S"] if value else ""


def _when(condition: str, values: Mapping[str, Value], change: str = "") -> dict[str, Any]:
    """The parameters that say what the expressions mean; DynamoDB refuses empty ones."""
    parameters = {
        "ConditionExpression": condition,
        "ExpressionAttributeNames": _names(f"{change} {condition}"),
        "ExpressionAttributeValues": {name: _kept(value) for name, value in values.items()},
    }
    return {name: parameter for name, parameter in parameters.items() if parameter}


def _names(expression: str) -> dict[str, str]:
    return {f"#{name}": name for name in _ATTRIBUTE.findall(expression)}


def _kept(value: Value) -> dict[str, str | bytes]:
    """Moments are kept to the millisecond."""
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, bytes):
        return {"B": value}
    return {"N": f"{value:.3f}" if isinstance(value, float) else str(value)}

"""What a partition of the fleet's table asks DynamoDB, by a played one: its limits (pages, a table being made) are not
moto's."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import pytest

from consumer.errors import RefusedError, RetryableError
from consumer.state.table import Item, Partition, is_condition_failed, text_of
from tests.support.clock import ManualClock


class Played:
    """Gives the answers in turn and keeps what was asked; an answer that is an error is raised."""

    def __init__(self, *answers: dict[str, Any] | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, Mapping[str, Any]]] = []

    def __call__(self, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        self.asked.append((operation, parameters))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def _item(name: str) -> Item:
    return {"fleet": {"S": "blue"}, "item": {"S": name}}


def _refused(code: str) -> RefusedError:
    return RefusedError("dynamodb", code, code)


def _state(status: str) -> dict[str, Any]:
    return {"Table": {"TableStatus": status}}


def test_a_fleet_that_does_not_fit_into_one_answer_is_read_to_its_end() -> None:
    call = Played({"Items": [_item("a")], "LastEvaluatedKey": _item("a")}, {"Items": [_item("b")]})

    assert set(Partition(call, "table", "blue").items()) == {"a", "b"}
    assert [parameters.get("ExclusiveStartKey") for _, parameters in call.asked] == [None, _item("a")]
    assert all(parameters["ConsistentRead"] for _, parameters in call.asked)


def test_every_attribute_of_an_expression_is_named_and_every_value_has_its_type() -> None:
    call = Played({}, {})
    partition = Partition(call, "table", "blue")

    partition.change("group#g", "SET #a = :a, #b = :b", {":a": 1.5, ":b": b"z", ":me": "me"}, "#owner = :me")
    partition.delete("agent#x", {":seen": 7}, "#beat = :seen")

    changed, deleted = (parameters for _, parameters in call.asked)
    assert changed["ExpressionAttributeNames"] == {"#a": "a", "#b": "b", "#owner": "owner"}
    assert changed["ExpressionAttributeValues"] == {":a": {"N": "1.500"}, ":b": {"B": b"z"}, ":me": {"S": "me"}}
    assert deleted["ConditionExpression"] == "#beat = :seen"
    assert deleted["ExpressionAttributeValues"] == {":seen": {"N": "7"}}


def test_what_has_no_condition_is_asked_without_empty_expressions() -> None:
    """DynamoDB refuses an empty one."""
    call = Played({})

    Partition(call, "table", "blue").delete("agent#x")

    assert call.asked == [("DeleteItem", {"TableName": "table", "Key": _item("agent#x")})]


def test_a_table_that_two_agents_make_at_once_is_waited_for_by_both() -> None:
    call = Played(
        _refused("ResourceNotFoundException"), _refused("ResourceInUseException"), _state("CREATING"), _state("ACTIVE")
    )
    clock = ManualClock()

    Partition(call, "table", "blue").make_table(clock, threading.Event())

    assert [operation for operation, _ in call.asked] == ["DescribeTable", "CreateTable", *["DescribeTable"] * 2]
    assert clock.waited == [1.0]


def test_a_table_that_never_becomes_active_is_an_error_that_names_it() -> None:
    call = Played(_refused("ResourceNotFoundException"), {}, *[_state("CREATING")] * 60)

    with pytest.raises(RetryableError, match="the table fleet-state does not become active"):
        Partition(call, "fleet-state", "blue").make_table(ManualClock(), threading.Event())


def test_only_a_failed_condition_is_taken_for_one() -> None:
    assert is_condition_failed(_refused("ConditionalCheckFailedException"))
    assert not is_condition_failed(_refused("ProvisionedThroughputExceededException"))
    assert not is_condition_failed(RetryableError("no answer"))


def test_an_attribute_that_is_not_there_is_empty_text() -> None:
    assert text_of({"owner": {"S": "x"}}, "owner") == "x"
    assert text_of({}, "owner") == ""

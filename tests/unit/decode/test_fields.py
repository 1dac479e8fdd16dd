"""The table of fields says what AWS says."""

from __future__ import annotations

import pytest

from consumer.decode.fields import DEFAULT_FORMAT, FIELDS, TRANSIT_GATEWAY_FORMAT, Family, field_named
from consumer.decode.plan import header_format, plan_of
from consumer.model.flow_batch import Kind
from consumer.model.log_format import LogFormat


def test_there_are_as_many_fields_as_aws_has() -> None:
    vpc = [field for field in FIELDS.values() if field.family is not Family.TRANSIT_GATEWAY]

    assert {since: sum(field.since <= since for field in vpc) for since in (2, 3, 4, 5, 7, 8, 9, 10, 11)} == {
        2: 14, 3: 21, 4: 25, 5: 29, 7: 39, 8: 40, 9: 41, 10: 42, 11: 54,
    }  # fmt: skip
    assert len(TRANSIT_GATEWAY_FORMAT.fields) == 36


def test_the_default_format_is_awss() -> None:
    assert DEFAULT_FORMAT.text().replace("${", "").replace("}", "") == (
        "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end"
        " action log-status"
    )


def test_every_transit_gateway_field_is_known_and_no_vpc_field_is_among_them() -> None:
    families = {name: FIELDS[name].family for name in TRANSIT_GATEWAY_FORMAT.fields}

    assert Family.VPC not in families.values()
    assert {name for name, field in FIELDS.items() if field.family is not Family.VPC} == set(families)


def test_every_number_has_a_maximum_and_every_field_a_meaning() -> None:
    assert all(field.maximum > 0 for field in FIELDS.values() if field.kind is Kind.UNSIGNED)
    assert all(field.meaning for field in FIELDS.values())


def test_a_field_added_later_is_a_string() -> None:
    assert field_named("quantum-flags").kind is Kind.STRING


def test_a_plan_lays_columns_out_in_order_of_the_format() -> None:
    plan = plan_of(LogFormat.from_text("bytes dstaddr action srcaddr"))

    assert {name: (column.kind, column.word) for name, column in plan.columns.items()} == {
        "bytes": (Kind.UNSIGNED, 0),
        "dstaddr": (Kind.ADDRESS, 1),
        "action": (Kind.STRING, 4),
        "srcaddr": (Kind.ADDRESS, 5),
    }
    assert plan.word_count == 8
    assert plan.families.tolist() == [7, 3]


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        (b"version account-id", ("version", "account-id")),
        (b"account_id srcaddr", ("account-id", "srcaddr")),
        (b"srcaddr quantum-flags", ("srcaddr", "quantum-flags")),
        (b"srcaddr quantum-flags other-flags", None),
        (b"srcaddr srcaddr", None),
        (b"2 123456789012", None),
        (b"srcaddr \xff", None),
        (b"", None),
    ],
)
def test_a_header_is_told_from_a_record(line: bytes, fields: tuple[str, ...] | None) -> None:
    log_format = header_format(line)

    assert (log_format.fields if log_format else None) == fields

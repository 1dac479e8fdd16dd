"""The table: everything decode and enrich know is sent, and nothing twice."""

from __future__ import annotations

import pytest

from consumer.decode.fields import DEFAULT_FORMAT, FIELDS, TRANSIT_GATEWAY_FORMAT
from consumer.discovery.inventory.places import COLUMNS as PLACE_COLUMNS
from consumer.encode.layout import build_layout, select_lines
from consumer.encode.mapping import (
    DEFAULT_FIELDS,
    FLOW_MAPPING,
    JOINED_COLUMNS,
    KNOWN_FIELDS,
    LOST_COLUMN,
    NAME_MAPPING,
    TRANSIT_GATEWAY_FIELDS,
    Group,
    Place,
)
from consumer.encode.settings import EncodingSettings, Profile
from consumer.encode.template import TemplateKey
from consumer.enrich.join import COLUMNS
from consumer.errors import ProtocolError
from consumer.model.flow_batch import Column, Kind
from tests.unit.encode.building import columns_of
from tests.unit.encode.samples import ALL_VPC

_INTERFACE_COLUMNS = set(PLACE_COLUMNS)
_ENDPOINT_COLUMNS = _INTERFACE_COLUMNS - {"instance_type"}
_KINDS = {
    Place.ADDRESS: Kind.ADDRESS,
    Place.WORD: Kind.UNSIGNED,
    Place.NULLABLE: Kind.UNSIGNED,
    Place.STRING: Kind.STRING,
}


def test_every_field_of_the_decode_table_has_an_element_and_no_other_has() -> None:
    assert set(FIELDS) == KNOWN_FIELDS


def test_the_kind_that_decode_gives_a_field_is_the_one_its_element_needs() -> None:
    for line in FLOW_MAPPING:
        if line.place in _KINDS:
            assert FIELDS[line.column].kind is _KINDS[line.place], line.column


def test_the_known_formats_are_those_of_decode() -> None:
    assert frozenset(DEFAULT_FORMAT.fields) == DEFAULT_FIELDS
    assert frozenset(TRANSIT_GATEWAY_FORMAT.fields) == TRANSIT_GATEWAY_FIELDS


def test_every_joined_column_is_sent() -> None:
    assert set(JOINED_COLUMNS) == set(COLUMNS)
    sent = {line.column for line in FLOW_MAPPING if line.place is Place.JOINED} - {LOST_COLUMN}
    sent |= {line.reference for line in NAME_MAPPING}
    assert sent == set(COLUMNS)


def test_every_column_of_the_entity_tables_has_an_element() -> None:
    for reference, columns in (
        ("interface", _INTERFACE_COLUMNS),
        ("source", _ENDPOINT_COLUMNS),
        ("destination", _ENDPOINT_COLUMNS),
    ):
        assert {line.column for line in NAME_MAPPING if line.reference == reference} == columns


@pytest.mark.parametrize("profile", ["core", "iana", "full"])
@pytest.mark.parametrize("fields", [ALL_VPC, TRANSIT_GATEWAY_FORMAT.fields, ("srcaddr",), ("version", "account-id")])
@pytest.mark.parametrize("family", [0, 4, 6])
@pytest.mark.parametrize("groups", [0, sum(Group)])
def test_no_template_has_an_element_twice_or_begins_with_a_string(
    profile: Profile, fields: tuple[str, ...], family: int, groups: int
) -> None:
    settings = EncodingSettings(profile=profile, include_identifiers=True)
    lines = select_lines(columns_of(fields), COLUMNS, settings)
    elements = build_layout(lines, TemplateKey(family, groups, True), 20, settings).elements
    keys = [(element.is_enterprise, element.number) for element in elements]
    assert len(set(keys)) == len(keys)
    assert not elements[0].is_variable
    assert len(keys) < 256
    is_variable = [element.is_variable for element in elements]
    assert is_variable == sorted(is_variable), "fixed-length elements come first"


@pytest.mark.parametrize("profile", ["core", "iana", "full"])
@pytest.mark.parametrize("family", [0, 4, 6])
def test_octets_and_packets_are_in_every_template(profile: Profile, family: int) -> None:
    settings = EncodingSettings(profile=profile)
    lines = select_lines(columns_of(("version", "srcaddr")), COLUMNS, settings)
    elements = build_layout(lines, TemplateKey(family, 0, False), 20, settings).elements
    assert {1, 2} <= {element.number for element in elements if not element.is_enterprise}


def test_the_core_profile_has_only_fixed_iana_elements() -> None:
    settings = EncodingSettings(profile="core")
    lines = select_lines(columns_of(ALL_VPC), COLUMNS, settings)
    numbers = [item.line.element.number for item in lines if item.line.family != 6]
    assert not any(item.line.element.is_enterprise or item.line.element.is_variable for item in lines)
    assert sorted(numbers) == [1, 2, 4, 6, 7, 8, 10, 11, 12, 14, 60, 61, 89, 130, 152, 153, 233]


def test_elements_that_make_a_collector_misread_are_never_sent() -> None:
    """230 turns pmacct's record into a NAT event, 23/24 overwrite 1/2 in goflow2, 150/151 are 1970 in old nfdump."""
    numbers = {line.element.number for line in FLOW_MAPPING if not line.element.is_enterprise}
    assert not numbers & {23, 24, 85, 86, 150, 151, 210, 230, 403, 404}


def test_a_column_of_a_kind_its_element_cannot_carry_is_our_bug() -> None:
    columns = {"bytes": Column("bytes", Kind.STRING, 0)}
    with pytest.raises(ProtocolError, match="octetDeltaCount"):
        select_lines(columns, {}, EncodingSettings())

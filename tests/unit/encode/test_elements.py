"""The information model by itself: numbers, names, types."""

from __future__ import annotations

import re

import ipfix.types

from consumer.encode.elements import VARIABLE_LENGTH, DataType, InformationElement
from consumer.encode.enterprise import DESTINATION_OFFSET, ENDPOINT_ELEMENTS, ENTERPRISE_ELEMENTS
from consumer.encode.iana import IANA_ELEMENTS
from tests.support import python_ipfix

_REDUCED = {6: 1}
"""tcpControlBits goes out in one octet."""


def test_no_number_and_no_name_is_given_twice() -> None:
    for elements in (IANA_ELEMENTS, ENTERPRISE_ELEMENTS):
        assert len({element.number for element in elements}) == len(elements)
    names = [element.name for element in (*IANA_ELEMENTS, *ENTERPRISE_ELEMENTS)]
    assert len(set(names)) == len(names)


def test_our_numbers_are_dense_enough_and_high_enough_for_every_collector() -> None:
    numbers = [element.number for element in ENTERPRISE_ELEMENTS]
    assert numbers == sorted(numbers)
    assert min(numbers) == 1001, "low numbers are taken for IANA's by decoders blind to the enterprise bit"
    assert max(numbers) < 16_384, "Telegraf takes bit 0x4000 for RFC 5103 reverse"
    assert len(numbers) < 256, "pmacct keeps 256"
    buckets = [sum(number % 8 == bucket for number in numbers) for bucket in range(8)]
    assert max(buckets) <= 32, "pmacct keeps 32 of each number modulo 8"


def test_every_element_of_ours_is_described_as_rfc_5610_wants_it() -> None:
    for element in ENTERPRISE_ELEMENTS:
        assert element.is_enterprise
        assert re.fullmatch(r"[a-z][A-Za-z0-9]+", element.name), element.name
        assert element.description.endswith("."), element.name
        if element.data_type.is_number:
            assert element.range_end > element.range_begin, element.name
        else:
            assert (element.range_begin, element.range_end) == (0, 0), element.name


def test_destination_numbers_are_source_numbers_plus_fifty() -> None:
    half = len(ENDPOINT_ELEMENTS) // 2
    for source, destination in zip(ENDPOINT_ELEMENTS[:half], ENDPOINT_ELEMENTS[half:], strict=True):
        assert destination.number == source.number + DESTINATION_OFFSET
        assert destination.name == source.name.replace("source", "destination")


def test_iana_elements_agree_with_a_registry_we_did_not_write() -> None:
    for element in IANA_ELEMENTS:
        known = python_ipfix.element(element.name)
        assert known.num == element.number, element.name
        if element.number != 89:  # unsigned32 in copies of the registry of before 2021; unsigned8 today
            assert known.type.name == element.data_type.label, element.name


def test_sizes_are_natural_unless_a_collector_needs_less() -> None:
    reduced = {element.number: element.size for element in IANA_ELEMENTS if element.size != _natural(element)}
    assert reduced == _REDUCED
    assert all(element.size == _natural(element) for element in ENTERPRISE_ELEMENTS)


def _natural(element: InformationElement) -> int:
    known = ipfix.types.for_name(element.data_type.label)
    return VARIABLE_LENGTH if element.data_type is DataType.STRING else int(known.length)

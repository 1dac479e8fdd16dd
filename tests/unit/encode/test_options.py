"""Options records, read back by python-ipfix."""

from __future__ import annotations

from typing import Any

import numpy as np

from consumer.encode.enterprise import ENTERPRISE_ELEMENTS
from consumer.encode.message import OPTIONS_TEMPLATE_SET, build_message
from consumer.encode.options import exporting_statistics, interface_names, selection, type_information
from consumer.encode.settings import EncodingSettings
from consumer.model.messages import MessageBatch
from tests.support.python_ipfix import read_records


def _read(batch: MessageBatch) -> list[dict[str, Any]]:
    templates = build_message(batch.domain, OPTIONS_TEMPLATE_SET, batch.templates.values())
    return read_records(templates + batch.buffer.tobytes())


def test_every_element_of_ours_is_described() -> None:
    batch = type_information(EncodingSettings(private_enterprise_number=64_999), 7)
    records = {record["informationElementId"]: record for record in _read(batch)}
    assert batch.record_count == len(ENTERPRISE_ELEMENTS) == len(records)
    for element in ENTERPRISE_ELEMENTS:
        record = records[element.number]
        assert record["privateEnterpriseNumber"] == 64_999
        assert record["informationElementName"] == element.name
        assert record["informationElementDescription"] == element.description
        assert record["informationElementDataType"] == element.data_type
        assert record["informationElementSemantics"] == element.semantics
        assert record["informationElementUnits"] == element.units
        assert (record["informationElementRangeBegin"], record["informationElementRangeEnd"]) == (
            element.range_begin,
            element.range_end,
        )


def test_options_messages_keep_the_limit() -> None:
    batch = type_information(EncodingSettings(message_size=600), 7)
    assert np.diff(batch.starts).max() <= 600
    assert batch.record_counts.min() >= 1
    assert int(batch.starts[-1]) == len(batch.buffer)


def test_nothing_is_sampled() -> None:
    (record,) = _read(selection(EncodingSettings(), 7))
    assert record == {
        "selectorId": 1,
        "selectorAlgorithm": 1,
        "samplingPacketInterval": 1,
        "samplingPacketSpace": 0,
    }


def test_statistics_are_those_of_the_one_exporting_process() -> None:
    (record,) = _read(
        exporting_statistics(EncodingSettings(), 7, messages=5, flow_records=2**33, octets=2**40, not_sent=3)
    )
    assert record == {
        "exportingProcessId": 1,
        "exportedMessageTotalCount": 5,
        "exportedFlowRecordTotalCount": 2**33,
        "exportedOctetTotalCount": 2**40,
        "notSentFlowTotalCount": 3,
    }


def test_interface_names_are_fixed_length_and_cut_at_a_character() -> None:
    batch = interface_names(EncodingSettings(), 7, [(5, b"eth0", "ü".encode() * 40), (6, b"", b"")])
    first, second = (batch.buffer[20:].tobytes()[begin : begin + 76] for begin in (0, 76))
    assert first == bytes((0, 0, 0, 5)) + b"eth0".ljust(24, b"\0") + "ü".encode() * 24
    assert second == bytes((0, 0, 0, 6)) + bytes(72)
    assert len(batch.buffer) == 20 + 2 * 76

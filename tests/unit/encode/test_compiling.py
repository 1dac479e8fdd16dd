"""Compiling ahead: nothing is compiled while flows wait."""

from __future__ import annotations

from dataclasses import replace

from consumer.decode.decoder import Decoder
from consumer.decode.fields import TRANSIT_GATEWAY_FORMAT
from consumer.discovery.estate.values import Part
from consumer.encode import activity, names, records, sorting
from consumer.encode.activity import ActiveInterfaces
from consumer.encode.encoder import Encoder
from consumer.encode.settings import EncodingSettings
from consumer.encode.template import TemplateNumbers
from consumer.encode.warm_up import warm_up
from consumer.enrich.join import Joiner
from consumer.model.delivery import Origin, SourceKind, TextState
from consumer.model.inventory import empty_inventory
from consumer.select.log_status import reportable_rows
from tests.support.flows import interface, inventory_of
from tests.unit.encode.building import Row, all_rows, batch_of, joined_of, table_of
from tests.unit.encode.samples import ALL_VPC, FLOW, FLOW_IPV6, V2

_KERNELS = {
    "classify": sorting.classify,
    "sort_by_key": sorting.sort_by_key,
    "write_records": records.write_records,
    "write_blobs": names._write_blobs,
    "unwritten": names._unwritten,
    "mark": activity.mark,
    "find_rows": activity.find_rows,
}
PART = Part("1", "r", 0.0, interfaces=(interface("eni-1", "vpc-1", "10.0.0.1"),))
_LINE = b"2 123456789012 eni-1 10.0.0.1 10.0.0.2 1 2 6 3 4 1700000000 1700000060 ACCEPT OK\n"


def _signature_counts() -> dict[str, int]:
    """1 each without the compiler: then the test shows only that everything runs."""
    return {name: len(getattr(kernel, "signatures", [None])) for name, kernel in _KERNELS.items()}


def test_what_flows_bring_was_compiled_by_warm_up() -> None:
    warm_up()
    expected = dict.fromkeys(_KERNELS, 1)
    assert _signature_counts() == expected, "the same types in every call, in this process"
    encoder = Encoder(EncodingSettings(), TemplateNumbers())
    active = ActiveInterfaces()
    rows: list[Row] = [FLOW, FLOW_IPV6, {**FLOW, "action": None, "account-id": "a" * 5000}]
    endpoints = table_of("endpoint", [{"name": "web-1", "vpc_id": "vpc-1"}])
    for fields in (V2, (*ALL_VPC, "unheard-of"), TRANSIT_GATEWAY_FORMAT.fields, ("version",)):
        batch = batch_of(fields, rows)
        encoder.encode(batch, all_rows(batch), joined_of(3, [{"source": 1}] * 3, None, endpoints), 1)

    pieces = Decoder().decode(_LINE, Origin(SourceKind.FILE), TextState(), lambda _: [])
    for piece in pieces:
        assert piece.batch is not None
        selected = reportable_rows(piece.batch).rows
        joined = Joiner(1).join(piece.batch, selected, empty_inventory())
        for _ in range(2):  # of one snapshot, then of the next
            active.note(replace(joined, tables={"interface": inventory_of(PART).interfaces}), selected, 1, 0.0)
        assert encoder.encode(piece.batch, selected, joined, 1).record_count == 1

    assert _signature_counts() == expected

"""Only flows are reported; what is none is counted by why."""

from __future__ import annotations

from consumer.decode.decoder import Decoder
from consumer.model.delivery import Origin, SourceKind, TextState
from consumer.model.flow_batch import FlowBatch
from consumer.model.log_format import LogFormat
from consumer.select.log_status import reportable_rows

_FORMAT = LogFormat.from_text("srcaddr dstaddr log-status")


def _batch(lines: list[str], log_format: LogFormat = _FORMAT) -> FlowBatch:
    payload = "\n".join(lines).encode()
    (piece,) = Decoder().decode(payload, Origin(SourceKind.FILE), TextState(log_format), lambda _: ())
    assert piece.batch is not None
    return piece.batch


def test_nodata_and_skipdata_are_dropped_and_counted() -> None:
    batch = _batch(["10.0.0.1 10.0.0.2 OK", "- - NODATA", "10.0.0.1 10.0.0.2 OK", "- - SKIPDATA", "- - NODATA"])

    selection = reportable_rows(batch)

    assert selection.rows.tolist() == [0, 2]
    assert selection.dropped == {"nodata": 2, "skipdata": 1}


def test_a_status_beats_missing_addresses_so_that_no_row_counts_twice() -> None:
    batch = _batch(["- - NODATA", "- 10.0.0.1 SKIPDATA", "- 10.0.0.1 OK", "10.0.0.1 - OK", "- - OK", "- - -"])

    selection = reportable_rows(batch)

    assert selection.rows.tolist() == []
    assert selection.dropped == {"nodata": 1, "skipdata": 1, "no_addresses": 4}


def test_without_a_status_missing_addresses_tell() -> None:
    batch = _batch(["10.0.0.1 10.0.0.2", "- -"], LogFormat.from_text("srcaddr dstaddr"))

    assert reportable_rows(batch).dropped == {"no_addresses": 1}


def test_a_format_without_addresses_reports_nothing_and_says_that_it_is_the_format() -> None:
    selection = reportable_rows(_batch(["10.0.0.1 OK", "- NODATA"], LogFormat.from_text("srcaddr log-status")))

    assert selection.rows.tolist() == []
    assert selection.dropped == {"no_address_fields": 1, "nodata": 1}


def test_a_status_aws_adds_later_is_a_flow() -> None:
    selection = reportable_rows(_batch(["10.0.0.1 10.0.0.2 PARTIAL", "10.0.0.1 10.0.0.2 -"]))

    assert selection.rows.tolist() == [0, 1]
    assert selection.dropped == {}


def test_rows_and_drops_add_up_to_the_batch() -> None:
    lines = [("- - NODATA", "10.0.0.1 10.0.0.2 OK", "10.0.0.1 - OK")[number % 3] for number in range(999)]

    selection = reportable_rows(_batch(lines))

    assert len(selection.rows) + selection.dropped.total() == 999

"""From records to deliveries and back to positions; the daemon's part is in tests/integration."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence

import pytest

from consumer.errors import Stopped
from consumer.kcl.channel import Batch, Position, Record
from consumer.sources.kinesis.shard_memory import ShardMemory, ShardProgress, is_before
from consumer.sources.kinesis.source import export_batch


def batch(*positions: tuple[int, int]) -> Batch:
    """Records at (sequence number, sub-sequence number); their data says where they lie."""
    return Batch(
        [
            {
                "sequenceNumber": str(sequence),
                "subSequenceNumber": sub,
                "data": b64encode(f"{sequence}.{sub}".encode()).decode(),
                "approximateArrivalTimestamp": 0,
            }
            for sequence, sub in positions
        ],
        0,
    )


def refuse(record: Record) -> None:
    pytest.fail(f"{record.data!r} must not be exported")


def run(given: Batch, progress: ShardProgress, *, stop_before: Sequence[bytes] = ()) -> tuple[bool, list[bytes]]:
    """Export; the exporting process is stopped at the records named."""
    exported: list[bytes] = []

    def export(record: Record) -> None:
        if record.data in stop_before:
            raise Stopped
        exported.append(record.data)

    return export_batch(given, progress, export, lambda: False), exported


def test_every_record_is_exported_in_order_and_noted() -> None:
    progress = ShardProgress("TRIM_HORIZON")
    assert run(batch((1, 0), (2, 0), (2, 1)), progress) == (True, [b"1.0", b"2.0", b"2.1"])
    assert progress.exported == Position(2, 1)


def test_a_batch_without_records_is_complete_and_changes_nothing() -> None:
    progress = ShardProgress("5", Position(7, 0))
    assert run(batch(), progress) == (True, [])
    assert progress.exported == Position(7, 0)


def test_a_stop_within_a_record_leaves_the_position_before_it() -> None:
    progress = ShardProgress("TRIM_HORIZON")
    assert run(batch((1, 0), (2, 0), (3, 0)), progress, stop_before=[b"2.0"]) == (False, [b"1.0"])
    assert progress.exported == Position(1, 0)


def test_a_stop_before_the_first_record_leaves_no_position() -> None:
    progress = ShardProgress("TRIM_HORIZON")
    assert export_batch(batch((1, 0)), progress, refuse, lambda: True) is False
    assert progress.exported is None


def test_what_was_exported_before_a_crash_is_not_exported_again() -> None:
    progress = ShardProgress("1", Position(2, 0))
    assert run(batch((1, 0), (2, 0), (2, 1), (3, 0)), progress) == (True, [b"2.1", b"3.0"])


def test_a_batch_that_was_exported_before_is_complete_also_while_stopping() -> None:
    progress = ShardProgress("1", Position(2, 0))
    assert export_batch(batch((1, 0), (2, 0)), progress, refuse, lambda: True) is True


def test_a_fault_of_the_pipeline_is_no_stop() -> None:
    progress = ShardProgress("1")

    def export(record: Record) -> None:
        raise RuntimeError(record.data)

    with pytest.raises(RuntimeError):
        export_batch(batch((1, 0)), progress, export, lambda: False)
    assert progress.exported is None


def test_a_shard_that_comes_back_is_remembered() -> None:
    memory = ShardMemory()
    memory.enter("shard-1", "TRIM_HORIZON").exported = Position(50, 0)
    assert memory.enter("shard-1", "40").exported == Position(50, 0)
    assert memory.enter("shard-2", "40").exported is None


def test_a_shard_that_was_rewound_on_purpose_is_forgotten() -> None:
    memory = ShardMemory()
    first = memory.enter("shard-1", "30")
    first.exported = Position(50, 0)
    again = memory.enter("shard-1", "20")
    assert again.exported is None
    assert again.turn is first.turn, "the old thread may still be exporting"


@pytest.mark.parametrize(
    ("start", "known", "expected"),
    [
        ("9", "10", True),
        ("10", "9", False),
        ("10", "10", False),
        ("TRIM_HORIZON", "10", True),
        ("10", "TRIM_HORIZON", False),
        ("TRIM_HORIZON", "TRIM_HORIZON", False),
        (None, None, False),
        (None, "10", True),
    ],
)
def test_beginnings_compare_as_numbers_with_words_before_them(
    start: str | None, known: str | None, expected: bool
) -> None:
    assert is_before(start, known) is expected

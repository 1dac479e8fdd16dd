"""The way of a record: counted, exported, and only then acknowledged."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import pytest

from consumer.decode.decoder import Decoded, Decoder
from consumer.encode.encoder import Encoder
from consumer.encode.settings import EncodingSettings
from consumer.enrich.join import JoinCounts, Joiner
from consumer.errors import Stopped
from consumer.model.delivery import Delivery, Origin, SourceKind, TextState
from consumer.model.flow_batch import FlowBatch, Rows
from consumer.model.inventory import empty_inventory
from consumer.model.messages import MessageBatch
from consumer.model.tally import Reject, Tally
from consumer.pipeline import Claim, Lane, Pipeline, claim_every_row
from consumer.select.plan import CutOff, PlanReporting
from consumer.select.selection import Reporting, Selection, report_every_row
from tests.support.clock import ManualClock

GOOD = b"2 123456789010 eni-1235b8ca 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK\n"
NO_DATA = b"2 123456789010 eni-1235b8ca - - - - - - - 1431280876 1431280934 - NODATA\n"
SKIPPED = b"2 123456789010 eni-1235b8ca - - - - - - - 1431280876 1431280934 - SKIPDATA\n"
SHORT = b"2 123456789010 eni-1235b8ca\n"
ORIGIN = Origin(SourceKind.FILE, path="flow.log")


class Recorder:
    """Plays the exporter, the dead letter and the ledger, and writes down in which order they were called."""

    def __init__(self) -> None:
        self.happened: list[str] = []
        self.sent: dict[Hashable, int] = {}
        self.kept: list[Reject] = []
        self.tallies: list[Tally] = []
        self.stop_when_sending = False
        self.full_disk_tries = 0

    def message_limit(self, encoding_key: Hashable) -> int:
        return 1400

    def send(self, batches: Mapping[Hashable, MessageBatch], stop: threading.Event) -> None:
        if self.stop_when_sending:
            raise Stopped("asked to")
        self.happened.append("sent")
        for encoding, batch in batches.items():  # counted at once: the encoder uses its buffers again
            self.sent[encoding] = self.sent.get(encoding, 0) + batch.record_count

    def keep(self, origin: Origin, rejects: Sequence[Reject]) -> None:
        if self.full_disk_tries:
            self.full_disk_tries -= 1
            raise OSError(28, "No space left on device")
        self.kept += rejects

    def count(self, origin: Origin, tally: Tally, cut_strings: int, unnamed: JoinCounts) -> None:
        self.happened.append("counted")
        self.tallies.append(tally)

    def dead_letter_holds(self, error: OSError | None) -> None:
        self.happened.append("holds" if error else "holds no more")

    def acknowledge(self) -> None:
        self.happened.append("acknowledged")


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def pipeline_of(
    recorder: Recorder,
    abort: threading.Event | None = None,
    reporting: Reporting | None = None,
    claim: Claim = claim_every_row,
) -> Pipeline:
    encodings = [EncodingSettings(), EncodingSettings(profile="core")]
    lane = Lane(Decoder(), Joiner(), {settings: Encoder(settings) for settings in encodings})
    return Pipeline(
        [lane],
        formats=lambda _: [],
        inventory=empty_inventory,
        exporter=recorder,
        keep_rejects=recorder.keep,
        ledger=recorder,
        clock=ManualClock(),
        abort=abort or threading.Event(),
        reporting=(lambda: reporting) if reporting else report_every_row,
        claim=claim,
    )


def delivery_of(recorder: Recorder, text: bytes, fault: str = "") -> Delivery:
    return Delivery(ORIGIN, (text,), 0.0, TextState(), fault, recorder.acknowledge)


def test_a_delivery_is_acknowledged_after_its_last_message_was_sent(recorder: Recorder) -> None:
    pipeline_of(recorder).process(delivery_of(recorder, GOOD * 3))
    assert recorder.happened == ["sent", "acknowledged", "counted"]


def test_every_line_is_exported_dropped_or_quarantined(recorder: Recorder) -> None:
    text = GOOD * 5 + NO_DATA * 2 + SKIPPED + SHORT
    tally = pipeline_of(recorder).process(delivery_of(recorder, text, fault="bad_gzip"))
    assert (tally.lines, tally.exported) == (9, 5)
    assert tally.dropped == Counter(nodata=2, skipdata=1)
    assert tally.quarantined == Counter(token_count=1)
    assert tally.payloads == Counter(bad_gzip=1)
    assert [reject.line for reject in recorder.kept] == [SHORT.strip()]


def test_each_encoding_gets_every_record(recorder: Recorder) -> None:
    pipeline_of(recorder).process(delivery_of(recorder, GOOD * 20_000))
    assert list(recorder.sent.values()) == [20_000, 20_000]


def test_a_stop_while_sending_leaves_the_delivery_unacknowledged_and_uncounted(recorder: Recorder) -> None:
    recorder.stop_when_sending = True
    with pytest.raises(Stopped):
        pipeline_of(recorder).process(delivery_of(recorder, GOOD))
    assert recorder.happened == []


def test_a_lane_is_free_again_after_a_stop(recorder: Recorder) -> None:
    pipeline = pipeline_of(recorder)
    recorder.stop_when_sending = True
    with pytest.raises(Stopped):
        pipeline.process(delivery_of(recorder, GOOD))
    recorder.stop_when_sending = False
    assert pipeline.process(delivery_of(recorder, GOOD)).exported == 1


def test_a_full_disk_holds_the_delivery_instead_of_losing_a_reject(recorder: Recorder) -> None:
    recorder.full_disk_tries = 3
    pipeline_of(recorder).process(delivery_of(recorder, GOOD + SHORT))
    assert recorder.happened == ["holds"] * 3 + ["holds no more", "sent", "acknowledged", "counted"]
    assert len(recorder.kept) == 1


def test_a_full_disk_does_not_hold_up_a_stop(recorder: Recorder) -> None:
    recorder.full_disk_tries = 1_000_000
    abort = threading.Event()
    abort.set()
    with pytest.raises(Stopped):
        pipeline_of(recorder, abort).process(delivery_of(recorder, SHORT))
    assert "acknowledged" not in recorder.happened


def test_a_delivery_without_a_flow_sends_nothing_and_is_acknowledged(recorder: Recorder) -> None:
    pipeline_of(recorder).process(delivery_of(recorder, NO_DATA))
    assert recorder.happened == ["acknowledged", "counted"]


class EveryOther:
    """A plan that reports every other row this way."""

    def rows(self, batch: FlowBatch, rows: Rows, origin: Origin, arrived_at: float) -> Selection:
        return Selection(rows[::2].copy(), Counter(not_chosen=len(rows[1::2])))


class Claims:
    """Knows the first row of every batch already, and writes down how its claims ended."""

    def __init__(self, happened: list[str]) -> None:
        self._happened = happened

    @contextmanager
    def __call__(self, piece: Decoded, rows: Rows, stop: threading.Event) -> Iterator[Selection]:
        self._happened.append(f"claimed {len(rows)}")
        try:
            yield Selection(rows[1:], Counter(repeat=1))
        except Stopped:
            self._happened.append("not seen")
            raise
        self._happened.append("seen")


def test_log_status_comes_before_the_plan_and_the_plan_before_repeats(recorder: Recorder) -> None:
    tally = pipeline_of(recorder, reporting=EveryOther(), claim=Claims(recorder.happened)).process(
        delivery_of(recorder, NO_DATA + GOOD * 10)
    )
    assert tally.dropped == Counter(nodata=1, not_chosen=5, repeat=1)
    assert (tally.lines, tally.exported) == (11, 4)
    assert recorder.happened == ["claimed 5", "sent", "seen", "acknowledged", "counted"]


def test_rows_of_a_delivery_that_fails_are_not_seen(recorder: Recorder) -> None:
    recorder.stop_when_sending = True
    with pytest.raises(Stopped):
        pipeline_of(recorder, claim=Claims(recorder.happened)).process(delivery_of(recorder, GOOD * 2))
    assert recorder.happened == ["claimed 2", "not seen"]


@pytest.mark.parametrize(("kind", "received_at", "exported"), [
    (SourceKind.KINESIS, 100.0, 0), (SourceKind.KINESIS, 100.1, 1), (SourceKind.CLOUDWATCH, 99.0, 1),
])  # fmt: skip
def test_kinesis_records_that_polling_covered_are_left_out_by_time(
    recorder: Recorder, kind: SourceKind, received_at: float, exported: int
) -> None:
    delivery = Delivery(Origin(kind), (GOOD * 2,), received_at, TextState(), "", recorder.acknowledge)
    polled = PlanReporting(cut_offs={("", ""): CutOff(after=0.0, until=100.0, started_from=0.0)})
    tally = pipeline_of(recorder, reporting=polled).process(delivery)
    assert tally.exported == (2 if exported else 0)
    assert tally.dropped["exported_by_polling"] == (0 if exported else 2)


def test_an_unreadable_line_of_a_polled_group_is_kept_and_counted_once(recorder: Recorder) -> None:
    page = b'{"events":[{"eventId":"%d","message":"2 eni-1235b8ca","timestamp":1}]}'
    origin = Origin(SourceKind.CLOUDWATCH, account="123456789010", region="us-east-1", log_group="/vpc/flow")
    pipeline = pipeline_of(recorder)
    first, again, other = (
        pipeline.process(Delivery(origin, (page % number,), received_at=0.0)) for number in (1, 1, 2)
    )

    assert [len(tally.quarantined - Counter()) for tally in (first, again, other)] == [1, 0, 1]
    assert again.dropped == {"repeat": 1}
    assert len(recorder.kept) == 2

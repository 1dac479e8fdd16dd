"""Decode, stage by stage: ns a record for gunzip, envelope and text, on one pinned core.

python -m benchmarks.decode [--records 100000] [--core 1] [--mixed]
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from functools import partial

from benchmarks.generate import FORMATS, envelopes, page
from consumer.decode import warm_up
from consumer.decode.candidates import LinePositions, Shapes, read_lines
from consumer.decode.decoder import Decoder
from consumer.decode.documents import load_json, read_document
from consumer.decode.envelope import Lines, read_regular
from consumer.decode.inflate import Text, gunzip, plain
from consumer.decode.page import read_page
from consumer.decode.parser import Parser
from consumer.model.delivery import Origin, SourceKind
from consumer.model.log_format import LogFormat

_ORIGIN = Origin(SourceKind.KINESIS)
_ROUNDS = 15
_EVENTS_EACH = 4_000
Stage = Callable[[], object]


def _best(stages: Sequence[Stage], record_count: int) -> float:
    """Nanoseconds a record: for each payload its best round, for the machine has other things to do, too."""
    best = [float("inf")] * len(stages)
    for _ in range(_ROUNDS):
        for number, stage in enumerate(stages):
            began = time.perf_counter_ns()
            stage()
            best[number] = min(best[number], time.perf_counter_ns() - began)
    return sum(best) / record_count


def measure(log_format: LogFormat, record_count: int, *, is_mixed: bool) -> dict[str, float]:
    """Stage → ns a record."""
    packed = list(envelopes(record_count, log_format, events_each=_EVENTS_EACH, is_mixed=is_mixed))
    texts = [text for payload in packed if isinstance(text := gunzip(payload), Text)]
    found = [lines for text in texts if isinstance(lines := read_regular(text, _ORIGIN), Lines)]
    assert sum(len(lines.events) for lines in found) == record_count, "not every envelope is in CloudWatch's layout"
    pages = [plain(page(_EVENTS_EACH, log_format, seed)) for seed in range(record_count // _EVENTS_EACH)]
    paged = len(pages) * _EVENTS_EACH
    assert all(read_page(text) is not None for text in pages), "not every page is in the API's layout"
    parser, shapes, decoder = Parser(), Shapes(), Decoder()

    def parse(lines: Lines) -> None:
        events = lines.events
        positions = LinePositions(events.text, events.starts, events.ends)
        outcome = read_lines(parser, shapes, positions, 0, len(positions), [log_format])
        assert not outcome.rejects

    def whole(payload: bytes) -> None:
        for piece in decoder.decode(payload, _ORIGIN, None, lambda _: [log_format]):
            assert piece.batch is not None

    return {
        "gunzip": _best([partial(gunzip, payload) for payload in packed], record_count),
        "envelope": _best([partial(read_regular, text, _ORIGIN) for text in texts], record_count),
        "page (polling)": _best([partial(read_page, text) for text in pages], paged),
        "page as JSON": _best([partial(_by_json, text) for text in pages[:3]], 3 * _EVENTS_EACH),
        "text": _best([partial(parse, lines) for lines in found], record_count),
        "whole": _best([partial(whole, payload) for payload in packed], record_count),
        "text bytes a record": sum(text.size for text in texts) / record_count,
    }


def _by_json(text: Text) -> None:
    """What any other layout of a page costs."""
    for _ in read_document(load_json(text.view()), _ORIGIN):
        pass


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description="ns a record of each stage of decode")
    options.add_argument("--records", type=int, default=100_000)
    options.add_argument("--core", type=int, default=1)
    options.add_argument("--mixed", action="store_true", help="all interfaces in every envelope")
    asked = options.parse_args()
    os.sched_setaffinity(0, {asked.core % (os.cpu_count() or 1)})
    warm_up()
    figures = {name: measure(log_format, asked.records, is_mixed=asked.mixed) for name, log_format in FORMATS.items()}
    print(f"{'ns a record':20}" + "".join(f"{name:>10}" for name in figures))
    for stage in next(iter(figures.values())):
        print(f"{stage:20}" + "".join(f"{figures[name][stage]:10.1f}" for name in figures))


if __name__ == "__main__":
    main()

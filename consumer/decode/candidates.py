"""Which log format a line has, when that is not certain.

Belongs here: one known format, several possible ones, none at all. Does not: where formats come from (discovery, a
header, the settings), or reading a line (parser.py).
CloudWatch and Kinesis records carry no header. Flow logs of different formats may share a log group, so each line is
tried with each: it must fit exactly one. Numbers and addresses decide; where they do not, what ids look like does
(`Field.shapes`), which is never used to refuse a line of a known format.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from consumer.decode.fields import DEFAULT_FORMAT, field_named
from consumer.decode.outcomes import AMBIGUOUS_FORMAT, LINE_REASONS, LINE_TOO_LONG, TOKEN_COUNT, UNKNOWN_FORMAT
from consumer.decode.parser import Parsed, Parser, Positions
from consumer.decode.plan import plan_of
from consumer.decode.text import MAX_LINE_BYTES
from consumer.model.log_format import LogFormat
from consumer.model.text_word import Bytes
from consumer.model.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True, eq=False)
class LinePositions:
    """Lines in a text: `data` uint8 with a margin, `starts`, `ends`: int32[l]."""

    data: Bytes
    starts: Positions
    ends: Positions

    def __len__(self) -> int:
        return len(self.starts)

    def line(self, number: int, limit: int) -> bytes:
        """At most `limit` bytes of one line."""
        start, end = int(self.starts[number]), int(self.ends[number])
        return self.data[start : min(end, start + limit)].tobytes()


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What became of the lines up to `stop`: each is a row of exactly one of `parsed`, or one of `rejects`."""

    parsed: Sequence[Parsed]
    rejects: list[tuple[int, str]]
    stop: int


def read_lines(
    parser: Parser, shapes: Shapes, lines: LinePositions, first: int, stop: int, formats: Sequence[LogFormat]
) -> Outcome:
    """Read lines `first` to `stop` by whichever of the formats each fits; by none known, by the default at most."""
    if not formats:
        return _read_guessing(parser, shapes, lines, first, stop)
    if len(formats) == 1:
        parsed = parser.parse(lines.data, lines.starts, lines.ends, first, stop, plan_of(formats[0]))
        return Outcome([parsed], parsed.rejects(), parsed.stop)
    return _read_candidates(parser, shapes, lines, first, stop, formats)


def _read_guessing(parser: Parser, shapes: Shapes, lines: LinePositions, first: int, stop: int) -> Outcome:
    """The default format, for lines that fit it in every way; all others have an unknown one.

    Where some lines fit, the others are told what is wrong with them: they are most likely broken, not foreign.
    """
    parsed = parser.parse(lines.data, lines.starts, lines.ends, first, stop, plan_of(DEFAULT_FORMAT))
    fits = shapes.fit(parsed, parser.vocabulary)
    unlike = [(line, UNKNOWN_FORMAT) for line in parsed.line_numbers[~fits].tolist()]
    is_default = bool(fits.any())
    rejects = [
        (line, reason if is_default or reason == "line_too_long" else UNKNOWN_FORMAT)
        for line, reason in parsed.rejects()
    ]
    return Outcome([_kept(parsed, fits)], sorted(unlike + rejects), parsed.stop)


def _read_candidates(
    parser: Parser, shapes: Shapes, lines: LinePositions, first: int, stop: int, formats: Sequence[LogFormat]
) -> Outcome:
    """Each line by every format that has as many fields as it has tokens; it must fit one of them alone."""
    tries, stop, nobodys = _tries(parser, lines, first, stop, formats)
    fits = _fit_counts(tries, first, stop)
    reasons = {
        line: reason for parsed in reversed(tries) for line, reason in parsed.rejects() if not fits[line - first]
    }
    if (fits > 1).any():
        was_alone = fits == 1
        tries = [
            _kept(parsed, was_alone[parsed.line_numbers - first] | shapes.fit(parsed, parser.vocabulary))
            for parsed in tries
        ]
        several = np.flatnonzero((_fit_counts(tries, first, stop) != 1) & (fits > 0)) + first
        reasons.update(dict.fromkeys(several.tolist(), AMBIGUOUS_FORMAT))
        tries = [_kept(parsed, ~np.isin(parsed.line_numbers, several)) for parsed in tries]
    return Outcome(tries, sorted({**nobodys, **reasons}.items()), stop)


def _tries(
    parser: Parser, lines: LinePositions, first: int, stop: int, formats: Sequence[LogFormat]
) -> tuple[list[Parsed], int, dict[int, str]]:
    """(what each format makes of the lines with its number of tokens, where all of them stopped, lines of no format).

    Most formats differ in width, so most lines are read once.
    """
    starts, ends = lines.starts[first:stop], lines.ends[first:stop]
    widths = parser.token_counts(lines.data, starts, ends)
    tries: list[Parsed] = []
    for log_format in formats:
        chosen = np.flatnonzero(widths[: stop - first] == len(log_format.fields))
        parsed = parser.parse(lines.data, starts[chosen], ends[chosen], 0, len(chosen), plan_of(log_format))
        if parsed.stop < len(chosen):
            stop = first + int(chosen[parsed.stop])
        numbers, lost = chosen[parsed.line_numbers] + first, chosen[parsed.reject_lines] + first
        tries.append(replace(parsed, line_numbers=numbers, reject_lines=lost.astype(np.int32)))
    known = [len(log_format.fields) for log_format in formats]
    nobodys = np.flatnonzero(~np.isin(widths[: stop - first], known))
    too_long = (ends - starts)[nobodys] > MAX_LINE_BYTES
    reasons = np.where(too_long, LINE_REASONS[LINE_TOO_LONG], LINE_REASONS[TOKEN_COUNT])
    return (
        [parsed.before(stop) for parsed in tries],
        stop,
        dict(zip((nobodys + first).tolist(), reasons.tolist(), strict=True)),
    )


def _fit_counts(tries: Sequence[Parsed], first: int, stop: int) -> NDArray[np.int64]:
    """int64[lines]: how many formats each line fits."""
    counts = np.zeros(stop - first, dtype=np.int64)
    for parsed in tries:
        counts[parsed.line_numbers - first] += 1  # a line is in each at most once
    return counts


def _kept(parsed: Parsed, keep: NDArray[np.bool_]) -> Parsed:
    """Only the rows where `keep`; the same object when that is all of them."""
    if keep.all():
        return parsed
    return replace(parsed, words=parsed.words[keep], nulls=parsed.nulls[keep], line_numbers=parsed.line_numbers[keep])


class Shapes:
    """Remembers, for one vocabulary at a time, which strings start as a field's values do."""

    def __init__(self) -> None:
        self._vocabulary: Vocabulary | None = None
        self._known: dict[tuple[str, ...], NDArray[np.bool_]] = {}

    def fit(self, parsed: Parsed, vocabulary: Vocabulary) -> NDArray[np.bool_]:
        """bool[n]: true for rows whose every string looks like a value of its field (null always does)."""
        if vocabulary is not self._vocabulary:
            self._vocabulary, self._known = vocabulary, {}
        fits = np.ones(len(parsed.words), dtype=np.bool_)
        for name, column in parsed.plan.columns.items():
            wanted = field_named(name).shapes
            if wanted:
                fits &= self._fitting(wanted, vocabulary)[parsed.words[:, column.word].astype(np.int64)]
        return fits

    def _fitting(self, wanted: tuple[str, ...], vocabulary: Vocabulary) -> NDArray[np.bool_]:
        """bool[vocabulary.count]; only strings that are new since the last call are looked at."""
        known = self._known.get(wanted, np.ones(1, dtype=np.bool_))
        if len(known) < vocabulary.count:
            starts = tuple(start.encode() for start in wanted)
            new = [vocabulary.text(number).startswith(starts) for number in range(len(known), vocabulary.count)]
            known = self._known[wanted] = np.concatenate([known, np.array(new, dtype=np.bool_)])
        return known

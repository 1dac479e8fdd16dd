"""What went out already, for all lanes of an agent: the table, its file, and the waiting between deliveries.

Belongs here: locks, the clock, the file in the state folder. Does not: the table itself (select/repeats.py, pure) or
what makes two events the same (select/identity.py).
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

import numpy as np

from consumer.clock import Clock
from consumer.config import Settings
from consumer.decode.decoder import Decoded
from consumer.errors import Stopped
from consumer.kcl.properties import living_seconds
from consumer.model.delivery import SourceKind
from consumer.model.flow_batch import Rows, Words
from consumer.select.identity import PLACE_LIMIT, identify
from consumer.select.repeats import (
    BYTES_PER_ID,
    CONTROL_WORDS,
    RING_WORDS,
    SMALLEST_ROOM,
    Claimed,
    RepeatTable,
    is_sound,
)
from consumer.select.selection import REPEAT, Selection
from consumer.state.mapped import MappedWords
from consumer.state.places import Places
from consumer.telemetry.logs import get_logger

LAYOUT_VERSION = 1
"""Of file and identities: a change of either makes what an earlier program left unreadable."""
FILE_NAME, PLACES_NAME = "repeats.map", "repeats-places.jsonl"
_GROWTH_IDS = 1 << 16
"""Disk is taken for so many at once: 2 MB."""
_LOOK_SECONDS = 0.1
"""How often who waits for another delivery looks whether the agent is to stop."""

log = get_logger("repeats")


class RepeatFilter:
    """Thread-safe; `claim` is what the pipeline asks. `folder` None: for this process only.

    `remember_seconds`: for how long by source; deliveries of a source that is not named pass.
    """

    def __init__(
        self, folder: Path | None, memory_bytes: int, remember_seconds: Mapping[SourceKind, float], clock: Clock
    ) -> None:
        self._remember = MappingProxyType(dict(remember_seconds))
        self._clock = clock
        self._lock = threading.Lock()
        self._ended = threading.Condition(self._lock)
        room = max(SMALLEST_ROOM, memory_bytes // BYTES_PER_ID)
        size = CONTROL_WORDS + RING_WORDS * room
        self._file, self._places = _open(folder, size, lambda: self._table.places())  # noqa: PLW0108  made later
        words = self._file.words if self._file else np.zeros(size, dtype=np.uint64)
        control, ring = _parts(words)
        self._allowed = 0 if self._file else room
        self._grow(int(control[0]))
        self._table = RepeatTable(control, ring)
        if self._file is not None and self._file.was_kept:
            log.info("what went out before is known", ids=self._table.remembered())

    @contextmanager
    def claim(self, piece: Decoded, rows: Rows, stop: threading.Event) -> Iterator[Selection]:
        """See pipeline.Claim."""
        remember = self._remember.get(piece.origin.kind)
        if remember is None or piece.events is None or piece.batch is None:
            yield Selection(rows)
            return
        claimed = self._claim(piece, rows, int(remember), stop)
        repeats = len(rows) - len(claimed.new)
        selection = Selection(rows[claimed.new], Counter({REPEAT: repeats}) if repeats else Counter())
        if claimed.claim < 0:
            yield selection
            return
        try:
            yield selection
        except BaseException:
            self._end(claimed.claim, is_seen=False)
            raise
        self._end(claimed.claim, is_seen=True)

    def remembered(self) -> float:
        """Events remembered now."""
        with self._lock:
            return float(self._table.remembered())

    def forgotten(self) -> float:
        """Events forgotten before their time, since the start."""
        return float(self._table.forgotten_early)

    def close(self) -> None:
        """Give file and journal back. No claim may be open or come any more."""
        self._places.close()
        if self._file is not None:
            self._file.close()

    def _claim(self, piece: Decoded, rows: Rows, remember: int, stop: threading.Event) -> Claimed:
        """Whole or not at all: who waits holds nothing, so nobody waits for ever."""
        assert piece.events is not None
        assert piece.batch is not None
        lines = piece.batch.line_numbers[rows]
        with self._lock:
            while True:
                self._places.tidy()
                identities = identify(piece.events, lines, piece.origin, self._places.number)
                now = int(self._clock.monotonic())
                self._grow(self._table.used + len(rows))
                claimed = self._table.claim(identities, now, now + remember, self._allowed)
                if claimed.blocked_by < 0:
                    return claimed
                self._ended.wait(_LOOK_SECONDS)
                if stop.is_set():
                    raise Stopped("another delivery is sending the same events")

    def _end(self, claim: int, *, is_seen: bool) -> None:
        with self._lock:
            if is_seen:
                self._table.commit(claim)
            else:
                self._table.rollback(claim)
            self._ended.notify_all()

    def _grow(self, needed: int) -> None:
        """Have disk behind what may be written next; without, the oldest ids make room."""
        room = (len(self._file.words) - CONTROL_WORDS) // RING_WORDS if self._file else 0
        while self._file is not None and self._allowed < min(needed, room):
            wanted = min(self._allowed + _GROWTH_IDS, room)
            if not self._file.reserve(CONTROL_WORDS + RING_WORDS * wanted):
                return
            self._allowed = wanted


def build_repeats(settings: Settings, folder: Path | None, clock: Clock) -> RepeatFilter | None:
    """What went out already, by the two ways that carry event ids; None when it is switched off."""
    if not settings.repeats.memory_mb:
        return None
    return RepeatFilter(folder, settings.repeats.memory_mb * 1_000_000, remembered_seconds(settings), clock)


def remembered_seconds(settings: Settings) -> dict[SourceKind, float]:
    """For how long an event is remembered, by the way it came.

    What came by Kinesis is polled again when its stream fails: after the time that takes to be known, at the latest by
    a lease that nobody holds, and a pass. Polling sees an event again at every sweep, and each time it is remembered
    anew: two sweeps in addition will do.
    """
    repeats, polling, fallback = settings.repeats, settings.polling, settings.fallback
    lease_seconds = max(living_seconds(settings.kcl, stream) for stream in (None, *settings.streams))
    return {
        SourceKind.KINESIS: repeats.margin_seconds
        + lease_seconds
        + fallback.lease_look_seconds
        + fallback.failover_after_seconds
        + 2 * polling.interval_seconds,
        SourceKind.CLOUDWATCH: repeats.margin_seconds + 2 * max(polling.sweep_seconds, polling.interval_seconds),
    }


def _open(folder: Path | None, size: int, in_use: Callable[[], set[int]]) -> tuple[MappedWords | None, Places]:
    """File and numbers as an earlier process left them, both anew when one of them cannot be gone on with.

    No file where it cannot be: then a restart forgets, and everything else goes on.
    """

    def places(file: MappedWords | None) -> Places:
        path = folder / PLACES_NAME if folder and file else None
        key, may_load = (file.key, file.was_kept) if file else ("", False)
        return Places(path, key, PLACE_LIMIT, in_use, may_load=may_load)

    if folder is None:
        return None, places(None)
    path = folder / FILE_NAME
    try:
        file = MappedWords(path, LAYOUT_VERSION, size)
        if file.was_kept and not is_sound(*_parts(file.words)):
            file = file.begin_anew("its ranges contradict each other")
        if not file.reserve(CONTROL_WORDS + RING_WORDS * SMALLEST_ROOM):
            file.close()
            return None, places(None)
        known = places(file)
        if not known.is_complete:
            file = file.begin_anew(f"{PLACES_NAME} does not belong to it")
            known = places(file)
    except OSError as error:
        log.warning("what went out is remembered in memory only", file=str(path), reason=str(error))
        return None, places(None)
    return file, known


def _parts(words: Words) -> tuple[Words, Words]:
    """What the table calls control and ring."""
    return words[:CONTROL_WORDS], words[CONTROL_WORDS:].reshape(-1, RING_WORDS)

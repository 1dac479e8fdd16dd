"""What tells log events apart that have no ids (GetLogEvents gives none): a hash, and how many equal ones came before.

Belongs here: both, over all pages of one reading of a log stream. Does not: making an identity of them
(select/identity.py). Two equal lines may be two flows, and both are reported. Equal
lines share their timestamp, so only the last timestamp of a page goes on to the next one. All events are
counted, also those that are not reported in the end: what has gone out must not give its number to what has not.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numba import njit

from consumer.decode.events import Events, Positions
from consumer.model.compiling import HELPER, KERNEL
from consumer.model.delivery import EqualLines
from consumer.model.flow_batch import Words
from consumer.model.text_word import Bytes, U, load

_0, _3, _8, _32 = U(0), U(3), U(8), U(32)
_SEEDS = (U(0x243F6A8885A308D3), U(0x13198A2E03707344))
_FACTORS = (U(0x9E3779B97F4A7C15), U(0xC2B2AE3D27D4EB4F))


def tell_apart(events: Events, before: EqualLines) -> Events:
    """The events with `hashes`, and `before` as the next page needs it.

    Of equal lines the one that CloudWatch took first has the lowest number, whatever their order on the page: one
    that comes late takes no number of one that was read before.
    """
    count, carried = len(events), len(before.hashes)
    hashes = np.empty((carried + count, 2), dtype=np.uint64)
    hashes[:carried] = before.hashes
    hash_lines(events.text, events.starts, events.ends, hashes[carried:])
    times = np.concatenate((np.full(carried, before.timestamp, dtype=np.int64), events.timestamps))
    taken_at = np.full(carried + count, np.iinfo(np.int64).min)
    taken_at[carried:] = events.ingestion_times if len(events.ingestion_times) else 0
    order = np.lexsort((taken_at, hashes[:, 1], hashes[:, 0], times))
    is_first = np.ones(carried + count, dtype=np.bool_)
    is_first[1:] = (np.diff(times[order]) != 0) | (hashes[order[1:]] != hashes[order[:-1]]).any(axis=1)
    places = np.arange(carried + count)
    numbers = np.empty(carried + count, dtype=np.uint64)
    numbers[order] = places - np.maximum.accumulate(np.where(is_first, places, 0))
    if count:
        before.timestamp = int(times[-1])
        before.hashes = hashes[times == before.timestamp]
    return replace(events, hashes=np.column_stack((hashes, numbers))[carried:])


@njit(**HELPER)
def _mixed(text: Bytes, start: np.uint64, end: np.uint64, seed: np.uint64, factor: np.uint64) -> np.uint64:
    mixed = (seed ^ (end - start)) * factor
    at = start
    while at < end:
        word = load(text, at)
        if end - at < _8:
            word <<= (_8 - (end - at)) << _3
        mixed = (mixed ^ word) * factor
        mixed ^= mixed >> _32
        at += _8
    return mixed


@njit(**KERNEL)
def hash_lines(text: Bytes, starts: Positions, ends: Positions, hashes: Words):  # type: ignore[no-untyped-def]
    """Write 128 bits for every line."""
    for line in range(len(starts)):
        start, end = U(starts[line]), U(ends[line])
        hashes[line, 0] = _mixed(text, start, end, _SEEDS[0], _FACTORS[0])
        hashes[line, 1] = _mixed(text, start, end, _SEEDS[1], _FACTORS[1])

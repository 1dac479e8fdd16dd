"""Compiling the kernels before they are needed.

Belongs here: one call of every kernel with the types it meets in service. Does not: anything else.
"""

from __future__ import annotations

import numpy as np

from consumer.enrich.join import Joiner
from consumer.model.flow_batch import Column, FlowBatch, Kind
from consumer.model.inventory import empty_inventory
from consumer.model.log_format import LogFormat
from consumer.model.vocabulary import Vocabulary


def warm_up() -> None:
    """Compile, or load from the cache, what this room runs per row. Seconds the first time, milliseconds after."""
    vocabulary = Vocabulary(capacity=8, arena_bytes=64)
    columns = {
        "interface-id": Column("interface-id", Kind.STRING, 0),
        "srcaddr": Column("srcaddr", Kind.ADDRESS, 1),
        "dstaddr": Column("dstaddr", Kind.ADDRESS, 4),
    }
    words = np.zeros((1, 7), dtype=np.uint64)
    words[0] = (vocabulary.intern(b"eni-0"), 0, 0x0A000001, 4, 0, 0x0A000002, 4)
    batch = FlowBatch(
        log_format=LogFormat(tuple(columns)),
        columns=columns,
        words=words,
        nulls=np.zeros((1, 2), dtype=np.uint64),
        vocabulary=vocabulary,
        line_numbers=np.zeros(1, dtype=np.int64),
    )
    Joiner().join(batch, np.zeros(1, dtype=np.int64), empty_inventory())

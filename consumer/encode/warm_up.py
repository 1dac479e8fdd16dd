"""Compiling the kernels before they are needed.

Belongs here: one call of every kernel with the types it meets in service. Does not: anything else.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from consumer.encode.activity import ActiveInterfaces
from consumer.encode.encoder import Encoder
from consumer.encode.settings import EncodingSettings
from consumer.model.flow_batch import Column, FlowBatch, JoinedColumns, Kind
from consumer.model.inventory import EntityTable
from consumer.model.log_format import LogFormat
from consumer.model.vocabulary import Vocabulary


def warm_up() -> None:
    """Compile this room's kernels, or load them from the cache. Seconds the first time, milliseconds after.

    Not a name of the package as in decode and enrich: the information model needs no compiler. Two rows meet every
    kernel: their templates differ, so they are sorted.
    """
    vocabulary = Vocabulary(capacity=8, arena_bytes=64)
    columns = {"action": Column("action", Kind.STRING, 0), "srcaddr": Column("srcaddr", Kind.ADDRESS, 1)}
    batch = FlowBatch(
        log_format=LogFormat(tuple(columns)),
        columns=columns,
        words=np.array([(vocabulary.intern(b"ACCEPT"), 0, 0x0A000001, 4), (0, 0, 0, 0)], dtype=np.uint64),
        nulls=np.array([(0, 0), (0b11, 0)], dtype=np.uint64),
        vocabulary=vocabulary,
        line_numbers=np.arange(2),
    )
    table = EntityTable("interface", 1, {}, {"name": np.zeros(1, dtype=np.int32)}, (b"",))
    interface = Column("interface", Kind.REFERENCE, 0, table.name)
    joined = JoinedColumns({interface.name: interface}, np.zeros((2, 1), dtype=np.uint64), {table.name: table})
    Encoder(EncodingSettings()).encode(batch, np.arange(2), joined, 1)
    active = ActiveInterfaces()
    for _ in range(2):  # marks move from one table to the next
        numbered = replace(table, integers={"if_index": np.zeros(1, dtype=np.uint64)})
        active.note(replace(joined, tables={table.name: numbered}), np.arange(2), 1, 0.0)

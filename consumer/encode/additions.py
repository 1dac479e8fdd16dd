"""What the encoder itself adds to a batch, in formats that need it: lost packets of a transit gateway, unknown fields.

Belongs here: working per batch in NumPy and per distinct value in Python. Does not: anything for the usual formats.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from consumer.encode.mapping import LOST_COLUMN, LOST_FIELDS
from consumer.encode.names import Blobs, blobs_of_texts
from consumer.model.flow_batch import Column, FlowBatch, JoinedColumns, Kind, Rows


def lost_packets_column(columns: Mapping[str, Column], joined_words: int) -> Column | None:
    """The joined column that will hold the sum, behind those that enrich made; None when nothing is to be added up.

    A format with an action is no transit gateway's: its sixth group of nulls is the verdict (mapping.Group).
    """
    if "action" in columns or not any(name in columns for name in LOST_FIELDS):
        return None
    return Column(LOST_COLUMN, Kind.UNSIGNED, joined_words)


def with_lost_packets(batch: FlowBatch, joined: JoinedColumns, column: Column) -> JoinedColumns:
    """`joined` with the packets lost for any reason; a null count adds nothing, all four null is a null group."""
    lost = [batch.column(name) for name in LOST_FIELDS if name in batch.columns]
    total = np.sum(lost, axis=0, dtype=np.uint64)
    words = np.ascontiguousarray(np.column_stack((joined.words, total)))
    return JoinedColumns({**joined.columns, column.name: column}, words, joined.tables)


def describe_other_fields(batch: FlowBatch, rows: Rows, columns: Sequence[Column]) -> tuple[Rows, Blobs]:
    """Fields newer than our table as one string `name=value name=value`, nulls left out.

    Returns int64[n], which blob each row of the batch has, and the blobs; one a distinct combination of values.
    """
    ids = batch.words[rows][:, [column.word for column in columns]]
    distinct, inverse = np.unique(ids, axis=0, return_inverse=True)
    texts = [
        b" ".join(
            column.name.encode() + b"=" + batch.vocabulary.text(number)
            for column, number in zip(columns, numbers, strict=True)
            if number
        )
        for numbers in distinct.tolist()
    ]
    blob_of_row = np.zeros(batch.row_count, dtype=np.int64)
    blob_of_row[rows] = inverse.reshape(-1)
    return blob_of_row, blobs_of_texts(texts)

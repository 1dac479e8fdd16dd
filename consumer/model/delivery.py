"""What a source hands over: raw payloads, where they came from, and how to acknowledge them.

Belongs here: the delivery and its origin. Does not: reading payloads (decode/) or fetching them (sources/).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from consumer.model.flow_batch import Words
from consumer.model.log_format import LogFormat
from consumer.model.row_slice import RowSlice


class SourceKind(StrEnum):
    """The ways flow logs reach us."""

    KINESIS = "kinesis"
    CLOUDWATCH = "cloudwatch"
    S3 = "s3"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a payload came from, as far as the source knows; None = the source cannot know."""

    kind: SourceKind
    account: str | None = None
    region: str | None = None
    log_group: str | None = None
    log_stream: str | None = None
    stream: str | None = None
    shard: str | None = None
    bucket: str | None = None
    key: str | None = None
    path: str | None = None
    flow_log_id: str | None = None

    def label(self) -> str:
        """One short text for logs and the dead letter: `kinesis:us-east-1/flow/shardId-000000000000`."""
        parts = (
            self.region,
            self.stream,
            self.shard,
            self.log_group,
            self.log_stream,
            self.bucket,
            self.key,
            self.path,
        )
        return f"{self.kind}:" + "/".join(part for part in parts if part)


@dataclass(slots=True)
class TextState:
    """What the chunks of one text object share, in order: the log format in force where the last chunk ended.

    Mutable on purpose, owned by the source (one per object), read and updated by decode only. A header line
    (an S3 object's first line; again where gzip members were concatenated) switches `log_format`.
    """

    log_format: LogFormat | None = None


@dataclass(slots=True)
class EqualLines:
    """What the pages of one reading of a log stream share, in order, where log events have no ids.

    Mutable on purpose, owned by the source (one a log stream and window), read and updated by decode only.
    `hashes`: uint64[m, 2] of every event so far that has the last one's `timestamp` (ms).
    """

    timestamp: int = 0
    hashes: Words = field(default_factory=lambda: np.empty((0, 2), dtype=np.uint64))


def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True)
class Delivery:
    """Raw payloads that are acknowledged together: one Kinesis record, one page of events, one chunk of an object.

    `payloads`: bytes as AWS gave them (gzip or plain). `text`: set when the payloads are consecutive chunks of
    one text object, each ending at a line boundary; None when each payload stands alone (an envelope).
    `fault`: what the source itself could not read after these payloads (`bad_gzip`: the object ends in the middle of
    its gzip); counted as a fault of a payload.
    `arrived_after`: Unix seconds; log events that AWS took earlier (or just then) went out before, and come again only
    because they are asked for by their timestamps.
    `equal_lines`: set where log events have no ids; what the earlier pages of the same log stream left.
    `columns`: rows of a columnar object (Parquet), which has no payloads.
    `acknowledge` is called once, after the last datagram of the delivery was handed to the kernel for every
    required collector; it may block (a checkpoint) and is called on the source's own thread.
    """

    origin: Origin
    payloads: Sequence[bytes]
    received_at: float
    text: TextState | None = None
    fault: str = ""
    acknowledge: Callable[[], None] = field(default=_nothing)
    arrived_after: float = float("-inf")
    equal_lines: EqualLines | None = None
    columns: Sequence[RowSlice] = ()

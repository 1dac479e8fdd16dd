"""IPFIX messages ready to be numbered and sent: what encode hands to export.

Belongs here: the value. Does not: building it (encode/) or sending it (export/).
RFC 7011 §3.1: the 16-byte message header carries export time and sequence number; both are stamped by the
exporting process at the moment of sending, so encode leaves them zero. Who takes a batch for sending stamps its
octets in place and keeps them (a copy of them all was a sixth of what sending cost): for several it is copied before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class MessageBatch:
    """`m` whole messages of data records, one template and one observation domain each, back to back in `buffer`.

    `buffer`: uint8, message i = buffer[starts[i]:starts[i+1]], header included, export time and sequence zero.
    `starts`: int64[m+1], from 0 on. `totals`: int64[m+1], data records before each message, and in all.
    `templates`: template id → template record (RFC 7011 §3.4.1, without set header) of every template used here.
    `domain`: observation domain id. `cut_strings`: strings shortened to fit a message.
    `is_options`: the records are options data records and the templates options template records (§3.4.2).
    """

    domain: int
    buffer: NDArray[np.uint8]
    starts: NDArray[np.int64]
    totals: NDArray[np.int64]
    templates: Mapping[int, bytes]
    cut_strings: int = 0
    is_options: bool = False

    def copy(self) -> MessageBatch:
        """The same messages, in octets of their own."""
        return replace(self, buffer=self.buffer.copy())

    @property
    def message_count(self) -> int:
        return len(self.starts) - 1

    @property
    def record_count(self) -> int:
        return int(self.totals[-1])

    @property
    def record_counts(self) -> NDArray[np.int64]:
        """int64[m], data records in each message."""
        return np.diff(self.totals)

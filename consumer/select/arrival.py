"""Which log events are new by the time they arrived in AWS: polling asks by timestamp, so much comes again.

Belongs here: the comparison. Does not: repeats that only their ids can tell (repeats.py). Pure.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from consumer.model.flow_batch import Rows
from consumer.select.selection import REPEAT, Selection


def newly_arrived(lines: Rows, rows: Rows, ingestion_times: NDArray[np.int64], arrived_after: float) -> Selection:
    """Of `rows` (int64[k]), those that arrived after a moment (Unix seconds), or of which nobody says when.

    `lines`: int64[n], the log event of each row. `ingestion_times`: int64[e], ms, 0 = unknown; empty = all unknown.
    """
    if not len(ingestion_times) or arrived_after <= 0:
        return Selection(rows)
    times = ingestion_times[lines[rows]]
    kept = rows[(times > arrived_after * 1000) | (times == 0)]
    repeats = len(rows) - len(kept)
    return Selection(kept, Counter({REPEAT: repeats} if repeats else {}))

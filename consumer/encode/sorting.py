"""The loop that tells which template each row has.

Belongs here: the compiled kernels that read columns, with all their helpers (numba's cache does not see a change in
another file). Does not: writing records (records.py), the meaning of strings (meanings.py).

Indices and words are uint64 and every constant is typed, for the reasons told in records.py.
"""

import numpy as np
from numba import njit

from consumer.model.compiling import KERNEL, ROUTINE

# Meanings of strings (meanings.py).
UNSEEN, OTHER, ACCEPT, REJECT, BLOCK_PUBLIC_ACCESS, ENCRYPTION_CONTROLS, INGRESS, EGRESS = 0, 1, 2, 3, 4, 5, 6, 7

# A row's key: groups (bits of mapping.Group) | family << 6 (0 none, 1 IPv4, 2 IPv6) | ECS << 8.
GROUP_COUNT = 6
GROUP_DIRECTION, GROUP_VERDICT = 16, 32
KEY_IPV4, KEY_IPV6, KEY_ECS, KEY_COUNT = 64, 128, 256, 512

# Positions in `plan`: source words of the columns that `classify` reads. From PLAN_ADDRESSES on: the family words.
PLAN_ACTION, PLAN_REASON, PLAN_DIRECTION, PLAN_ADDRESSES = 0, 1, 2, 3
NO_COLUMN = 1 << 32
"""In `plan`: the log format has no such column."""

U = np.uint64
_0, _1, _4 = U(0), U(1), U(4)
_ABSENT = U(NO_COLUMN)


@njit(**ROUTINE)
def _present_groups(low, high, group_nulls):  # type: ignore[no-untyped-def]
    """Groups (and KEY_ECS) of which at least one column is not null, for rows that have a null in any."""
    key = 0
    for group in range(GROUP_COUNT + 1):
        mask_low, mask_high = group_nulls[group, 0], group_nulls[group, 1]
        if low & mask_low != mask_low or high & mask_high != mask_high:
            key |= 1 << group if group < GROUP_COUNT else KEY_ECS
    return key


@njit(**ROUTINE)
def _note(number, meanings, unseen, unseen_count):  # type: ignore[no-untyped-def]
    """Note a string nobody looked at yet, once; returns how many are noted."""
    if unseen_count == unseen.shape[0]:
        return unseen_count
    meanings[number] = OTHER  # so that it is noted once; the caller puts the true meaning there and starts again
    unseen[unseen_count] = number
    return unseen_count + 1


@njit(**KERNEL)
def classify(rows, words, nulls, plan, group_nulls, any_nulls, meanings, keys, counts, unseen):  # type: ignore[no-untyped-def]
    """Give each of `rows` its key (`keys`, int64, by position in `rows`), and count the rows of each (`counts`,
    int64[512]).

    `plan`: tuple of uint64. `group_nulls`: uint64[7, 2], null bits of the columns of each group, then of the ECS
    columns; all zero when the log format has none. `any_nulls`: all of them together. Returns how many ids in
    `unseen` (uint64) have no meaning yet: when that is not 0, nothing else that was written counts.
    """
    counts[:] = 0
    unseen_count = 0
    all_present = _present_groups(_0, _0, group_nulls)
    for i in range(rows.shape[0]):
        row = U(rows[i])
        low, high = nulls[row, _0], nulls[row, _1]
        key = all_present
        if (low & any_nulls[0]) | (high & any_nulls[1]) != _0:
            key = _present_groups(low, high, group_nulls)

        family = _0
        for k in range(PLAN_ADDRESSES, len(plan)):
            if plan[k] != _ABSENT:
                family = max(family, words[row, plan[k]])
        if family != _0:
            key |= KEY_IPV4 if family == _4 else KEY_IPV6

        if plan[PLAN_ACTION] != _ABSENT:
            number = words[row, plan[PLAN_ACTION]]
            action = meanings[number]
            if action == UNSEEN:
                unseen_count = _note(number, meanings, unseen, unseen_count)
            if action != ACCEPT and action != REJECT:
                key &= ~GROUP_VERDICT
        if plan[PLAN_REASON] != _ABSENT:
            number = words[row, plan[PLAN_REASON]]
            if meanings[number] == UNSEEN:
                unseen_count = _note(number, meanings, unseen, unseen_count)
        if plan[PLAN_DIRECTION] != _ABSENT:
            number = words[row, plan[PLAN_DIRECTION]]
            direction = meanings[number]
            if direction == UNSEEN:
                unseen_count = _note(number, meanings, unseen, unseen_count)
            if direction != INGRESS and direction != EGRESS:
                key &= ~GROUP_DIRECTION
        keys[i] = key
        counts[key] += 1
    return unseen_count


@njit(**KERNEL)
def sort_by_key(rows, keys, counts, nexts, ordered):  # type: ignore[no-untyped-def]
    """Rows of one key side by side, their order kept: `counts` as `classify` left it, `ordered` the rows.

    `nexts`: int64[512], scratch.
    """
    position = 0
    for key in range(KEY_COUNT):
        nexts[key] = position
        position += counts[key]
    for i in range(rows.shape[0]):
        key = keys[i]
        ordered[nexts[key]] = rows[i]
        nexts[key] += 1

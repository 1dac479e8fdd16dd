"""What was true and is not any more.

Belongs here: comparing two readings of one account and region. Pure. Does not: what is done with the past
(inventory/turns.py). Records arrive up to 20 minutes late, more when a stream was down, and are named by what was true
when their flow began; so gone interfaces and old names stay for a while.
"""

from __future__ import annotations

from collections.abc import Iterator

from consumer.discovery.estate.values import Part, Past

KEPT_SECONDS = 2 * 3600.0
"""An hour for late records, and as long again for a reading that was missed."""


def past_of(old: Part | None, new: Part, now: float) -> tuple[Past, ...]:
    """What `old` said and `new` does not, and what was already past and is not too old.

    The change is dated with `now`, when it was noticed: until then the old name was the only one known.
    """
    if old is None:
        return ()
    kept = (past for past in old.past if past.until > now - KEPT_SECONDS)
    return (*kept, *_changes(old, new, now))


def _changes(old: Part, new: Part, now: float) -> Iterator[Past]:
    if {"interfaces", "instances"} & old.unread:
        return  # it knew less, not something else
    interfaces = {interface.id: interface for interface in new.interfaces}
    old_names, names = ({instance.id: instance.name for instance in part.instances} for part in (old, new))
    for before in old.interfaces:
        name_before = old_names.get(before.instance_id, "")
        if interfaces.get(before.id) != before or names.get(before.instance_id, "") != name_before:
            yield Past(before, name_before, now)

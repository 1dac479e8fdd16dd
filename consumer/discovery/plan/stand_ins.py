"""Flow logs in S3 that report the flows of others while nothing else delivers those.

Belongs here: which may, and for which. Pure. Does not: when (select/stand_in.py), what is reported then
(select/plan.py). Only objects whose queue is read anyway count: a queue that nobody told us to read may be another
program's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from consumer.discovery.arn import Arn
from consumer.model.delivery import SourceKind
from consumer.model.plan import Choice

QueuePlace = tuple[str, str, str]
"""Account, region, name."""
NOTHING_ELSE = "nothing else delivers it"


def stand_ins(choices: Mapping[str, Choice], queues: Mapping[QueuePlace, bool]) -> dict[str, Choice]:
    """The choices, with who stands in for whom, and in words what happens when a source fails.

    `queues`: those of the settings, and whether each is read. A delivery that AWS itself calls failed stands in for
    nobody.
    """
    read = _read_queues(choices.values(), queues)
    found = dict(choices)
    helpers: defaultdict[str, list[Choice]] = defaultdict(list)
    for name, choice in choices.items():
        if not choice.queue or _place(choice.queue) not in read or choice.flow_log.is_failing:
            continue
        others = tuple(one for one in (*choice.covered_by, *choice.excluding) if _is_of_a_group(choices[one]))
        if others:
            found[name] = replace(choice, stands_in_for=others)
            for other in others:
                helpers[other].append(choice)
    for name, those in helpers.items():
        found[name] = replace(found[name], if_it_fails=_then(found[name], those))
    return found


def _read_queues(choices: Iterable[Choice], queues: Mapping[QueuePlace, bool]) -> set[QueuePlace]:
    """Those of the settings, and of the buckets that are read anyway."""
    chosen = {_place(one.queue) for one in choices if one.source is SourceKind.S3 and one.queue}
    wished = {place for place, is_read in queues.items() if is_read}
    return (chosen | wished) - (queues.keys() - wished)


def _place(arn: str) -> QueuePlace:
    found = Arn.parse(arn)
    return (found.account, found.region, found.resource) if found else ("", "", arn)


def _is_of_a_group(choice: Choice) -> bool:
    return choice.group is not None and choice.source in (SourceKind.KINESIS, SourceKind.CLOUDWATCH)


def _then(choice: Choice, helpers: list[Choice]) -> str:
    names = " and ".join(f"{one.flow_log.id} (bucket {one.via})" for one in helpers)
    words = f"reported from S3, flow log {names}, from then on"
    if choice.if_it_fails.startswith(NOTHING_ELSE):
        return words
    return f"{choice.if_it_fails}; where that fails, too, {words}"

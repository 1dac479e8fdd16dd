"""What the last survey found, as a file: a restarted agent plans by it at once, before AWS has answered anything.

Belongs here: the layout, and what of it still counts. Does not: when it is written and read (agent/steering.py),
checking the file (sealed_file.py). One place that does not answer holds up a reading for minutes; what is kept here
lets the others be read meanwhile. Why it is not made of the parts (estate/part_file.py): docs/estate.md.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from consumer.aws.roles import Access, Target
from consumer.discovery.estate.part_file import reader_of
from consumer.discovery.estate.values import Part
from consumer.discovery.plan.buckets import Bucket
from consumer.discovery.plan.survey import LogGroup, Stream, Survey, flow_logs_of
from consumer.discovery.sealed_file import read_sealed, write_sealed
from consumer.telemetry.logs import get_logger

SURVEY = "survey"
"""Name of the file, beside the snapshot. Lines of JSON: all but the places, then a place each."""
KIND, SCHEMA = 3, 2


@dataclass(frozen=True, slots=True)
class _Place:
    """One part and who reads it. `located`: the part's, by place: where there are hundreds of thousands of interfaces,
    writing each with its place held the agent's other threads for 0.1 s, and reading them for 2 s."""

    reader: str
    region: str
    part: Part
    located: tuple[tuple[str, str, tuple[str, ...]], ...]

    @classmethod
    def of(cls, target: Target, part: Part) -> _Place:
        names: dict[tuple[str, str], list[str]] = {}
        for name, place in part.located.items():
            names.setdefault(place, []).append(name)
        located = tuple((subnet, vpc, tuple(found)) for (subnet, vpc), found in names.items())
        return cls(reader_of(target.access), target.region, replace(part, located={}), located)

    def whole(self) -> Part:
        places = (((subnet, vpc), names) for subnet, vpc, names in self.located)
        return replace(self.part, located={name: place for place, names in places for name in names})


@dataclass(frozen=True, slots=True)
class Kept:
    """A survey without its problems. `own_account`: who we were then."""

    own_account: str
    places: tuple[_Place, ...]
    log_groups: tuple[LogGroup, ...]
    streams: tuple[Stream, ...]
    buckets: tuple[Bucket, ...]

    @property
    def taken_at(self) -> float:
        """When it was found out, in seconds since the epoch."""
        return max((place.part.taken_at for place in self.places), default=0.0)

    def survey(self, accesses: Iterable[Access], regions: Collection[str]) -> Survey:
        """As far as the places are still to be asked: by these accesses, in these regions (none = in all)."""
        readers = {reader_of(access): access for access in accesses}
        parts = {
            Target(readers[place.reader], place.region): place.whole()
            for place in self.places
            if place.reader in readers and (not regions or place.region in regions)
        }
        return Survey(parts, flow_logs_of(parts.values()), self.log_groups, self.streams, self.buckets, ())


def save_survey(survey: Survey, own_account: str, file: Path) -> None:
    """Write it. OSError when the disk does not let us."""
    kept = Kept(own_account, (), survey.log_groups, survey.streams, survey.buckets)
    lines = [_line(kept), *(_line(_Place.of(target, part)) for target, part in survey.parts.items())]
    file.parent.mkdir(parents=True, exist_ok=True)
    write_sealed(file, KIND, SCHEMA, lines)


def _line(value: object) -> bytes:
    """The interpreter is not given up meanwhile: all in one held a large estate's agent for 50-80 ms."""
    return orjson.dumps(value, default=list, option=orjson.OPT_APPEND_NEWLINE)


def load_survey(file: Path) -> Kept | None:
    """The last survey; None when there is no usable one."""
    content = read_sealed(file, KIND, SCHEMA)
    if content is None:
        return None
    lines = BytesIO(content)  # a line at a time: to cut all of a large estate's held other threads for 15 ms
    try:
        kept: Kept = _adapter(Kept).validate_json(lines.readline())
        return replace(kept, places=tuple(_adapter(_Place).validate_json(line) for line in lines))
    except ValidationError as error:
        get_logger("plan").warning("what the last run found is not used", file=str(file), reason=str(error))
        return None


@cache
def _adapter(kind: type[object]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)

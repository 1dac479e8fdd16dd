"""What one account said about one region, as a file: so that a place that fails after a restart is still known.

Belongs here: the layout. Does not: when it is written (reading/keeper.py), checking it (sealed_file.py).
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import orjson
from pydantic import TypeAdapter, ValidationError

from consumer.aws.profiles import Profile
from consumer.aws.roles import Access, Role, Target
from consumer.discovery.estate.values import Part
from consumer.discovery.sealed_file import read_sealed, write_sealed
from consumer.telemetry.logs import get_logger

KIND, SCHEMA = 2, 3


def part_file(folder: Path, target: Target) -> Path:
    """Where the part of `target` lies."""
    digest = hashlib.blake2b(reader_of(target.access).encode(), digest_size=6).hexdigest()
    return folder / f"{target.region}-{digest}.part"


def reader_of(access: Access) -> str:
    """Who reads a place, as files that outlive a restart name it: before AWS answers nobody knows the account, and an
    external id is not for such files."""
    match access:
        case None:
            return "own"
        case Role():
            return access.arn
        case Profile():
            return f"{access.file}/{access.name}"


def save_part(part: Part, file: Path) -> None:
    """Write the part. OSError when the disk does not let us."""
    write_sealed(file, KIND, SCHEMA, [orjson.dumps(part, default=list)])


def load_part(file: Path) -> Part | None:
    """The part of `file`; None when there is no usable one."""
    content = read_sealed(file, KIND, SCHEMA)
    if content is None:
        return None
    try:
        return _adapter().validate_json(bytes(content))
    except ValidationError as error:
        get_logger("inventory").warning("a part of the inventory is not used", file=str(file), reason=str(error))
        return None


@cache
def _adapter() -> TypeAdapter[Part]:
    return TypeAdapter(Part)

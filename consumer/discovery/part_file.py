"""What one account said about one region, as a file: so that a place that fails after a restart is still known.

Belongs here: the layout. Does not: when it is written (inventory.py), checking it (sealed_file.py).
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import orjson
from pydantic import TypeAdapter, ValidationError

from consumer.aws.profiles import Profile
from consumer.aws.roles import Role, Target
from consumer.discovery.estate import Part
from consumer.discovery.sealed_file import read_sealed, write_sealed
from consumer.telemetry.logs import get_logger

KIND, SCHEMA = 2, 3


def part_file(folder: Path, target: Target) -> Path:
    """Where the part of `target` lies. Named by who reads it: before that works nobody knows the account."""
    match target.access:
        case None:
            reader = "own"
        case Role():
            reader = target.access.arn
        case Profile():
            reader = f"{target.access.file}/{target.access.name}"
    digest = hashlib.blake2b(reader.encode(), digest_size=6).hexdigest()
    return folder / f"{target.region}-{digest}.part"


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

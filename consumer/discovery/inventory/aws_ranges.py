"""AWS's public address ranges: which service and region an address outside belongs to.

Belongs here: reading `ip-ranges.json` (VPC user guide, "AWS IP address ranges"), the one we ship, and the newer one
that an agent may fetch once a day. Does not: searching (enrich/addresses.py).
"""

from __future__ import annotations

import gzip
import os
import urllib.request
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from http.client import HTTPException
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson

from consumer.discovery.inventory.zones import network
from consumer.telemetry.logs import get_logger

SHIPPED = "data/aws-ip-ranges.json.gz"
KEPT_NAME = "ip-ranges.json"
MISSED_NAME = "ip-ranges.missed"
"""Why the last fetch failed; gone once one succeeds."""
FETCH_EVERY_SECONDS, FETCH_AGAIN_SECONDS = 86_400.0, 3_600.0
"""How often the file is fetched (it changes a few times a week), and how soon again after a failure."""
FETCH_TIMEOUT_SECONDS = 10.0
MAX_BYTES = 32 * 1024 * 1024
"""The file has 2 MB in 2026; a proxy's page or an endless answer must not fill the memory."""


@dataclass(frozen=True, slots=True)
class AwsRange:
    """One prefix. `service`: AWS's own word (S3, EC2, CLOUDFRONT, …)."""

    cidr: str
    service: str
    region: str


@dataclass(frozen=True, slots=True)
class AwsRanges:
    """`created_at`: when AWS made the file, seconds since the epoch; 0 = there is none."""

    created_at: float = 0.0
    ranges: tuple[AwsRange, ...] = ()


def parse_ranges(content: bytes) -> AwsRanges:
    """The file, each prefix once. ValueError when it is not that file.

    AMAZON is the word for everything: another one for the same prefix says more, and so does a service whose prefix
    holds one that is only AMAZON's. EC2 is what customers rent; a service that runs there says more.
    """
    try:
        raw = orjson.loads(content)
        created = _created_at(raw)
        lines = [(one["ip_prefix"], one["service"], one["region"]) for one in raw["prefixes"]]
        lines += [(one["ipv6_prefix"], one["service"], one["region"]) for one in raw["ipv6_prefixes"]]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"not AWS's ip-ranges.json: {type(error).__name__} {error}") from error
    best: dict[str, AwsRange] = {}
    for cidr, service, region in sorted(lines, key=lambda line: (_rank(line[1]), line[1])):
        best.setdefault(cidr, AwsRange(cidr, service, region))
    return AwsRanges(created, tuple(_telling(best.values())))


def _created_at(raw: Any) -> float:
    return datetime.strptime(raw["createDate"], "%Y-%m-%d-%H-%M-%S").replace(tzinfo=UTC).timestamp()


def _rank(service: str) -> int:
    return {"AMAZON": 2, "EC2": 1}.get(service, 0)


def _telling(ranges: Iterable[AwsRange]) -> Iterable[AwsRange]:
    """Without prefixes of AMAZON that only split one of a service."""
    by_network = {network(one.cidr): one for one in ranges}
    for inner, one in by_network.items():
        wider = (by_network.get(inner.supernet(new_prefix=length)) for length in range(inner.prefixlen - 1, 7, -1))
        around = next((other for other in wider if other is not None), None) if one.service == "AMAZON" else None
        if around is None or around.service == "AMAZON" or around.region != one.region:
            yield one


@cache
def shipped_ranges() -> AwsRanges:
    """What came with this version (without prefixes that say no more than others); nothing when it is missing. Read
    once: it takes half a second. `scripts/aws_ranges.py` renews it."""
    file = files("consumer.discovery.inventory") / SHIPPED
    try:
        return parse_ranges(gzip.decompress(file.read_bytes()))
    except (OSError, ValueError) as error:
        get_logger("inventory").warning("AWS's address ranges are not used", file=SHIPPED, reason=str(error))
        return AwsRanges()


def kept_ranges(folder: Path | None) -> AwsRanges:
    """The newer of what was fetched and what came with this version."""
    shipped = shipped_ranges()
    file = folder / KEPT_NAME if folder else None
    if file is None or not file.exists():
        return shipped
    try:
        fetched = parse_ranges(file.read_bytes())
    except (OSError, ValueError) as error:
        get_logger("inventory").warning("AWS's address ranges are not used", file=str(file), reason=str(error))
        return shipped
    return fetched if fetched.created_at > shipped.created_at else shipped


def ranges_made_at(folder: Path | None) -> float:
    """When AWS made the file that is used, seconds since the epoch; 0 = there is none."""
    made_at = shipped_ranges().created_at
    file = folder / KEPT_NAME if folder else None
    if file is None or not file.exists():
        return made_at
    try:
        return max(made_at, _created_at(orjson.loads(file.read_bytes())))
    except (OSError, KeyError, TypeError, ValueError):
        return made_at


def ranges_problem(folder: Path | None) -> str:
    """Why the last fetch brought nothing; empty = it did, or there was none."""
    try:
        return (folder / MISSED_NAME).read_text(encoding="utf-8") if folder else ""
    except (OSError, ValueError):
        return ""


def renew_ranges(url: str, folder: Path, now: float) -> None:
    """Fetch the file when it is time: by the times of two files, for each reading of an agent's estate is another
    process. Blocks for seconds; what fails is said and tried again an hour later."""
    kept, missed = folder / KEPT_NAME, folder / MISSED_NAME
    if _is_younger(kept, FETCH_EVERY_SECONDS, now) or _is_younger(missed, FETCH_AGAIN_SECONDS, now):
        return
    try:
        fetch_ranges(url, folder)
        os.utime(kept, (now, now))
        missed.unlink(missing_ok=True)
    except (OSError, ValueError, HTTPException) as error:  # the last: an answer that breaks off, a URL with a space
        get_logger("inventory").warning("AWS's address ranges were not fetched", url=url, reason=str(error))
        with suppress(OSError):  # on a full disk it is tried again at the next reading
            folder.mkdir(parents=True, exist_ok=True)
            missed.write_text(str(error), encoding="utf-8")
            os.utime(missed, (now, now))


def _is_younger(file: Path, seconds: float, now: float) -> bool:
    """A time in the future, by a clock that was put back, says nothing."""
    try:
        return 0 <= now - file.stat().st_mtime < seconds
    except OSError:
        return False


def fetch_ranges(url: str, folder: Path) -> None:
    """Fetch the file into `folder`, where `kept_ranges` finds it. Blocks; OSError, ValueError or HTTPException when it
    is not had."""
    with urllib.request.urlopen(url, timeout=FETCH_TIMEOUT_SECONDS) as answer:
        content: bytes = answer.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(f"more than {MAX_BYTES:,} bytes")
    parse_ranges(content)
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{KEPT_NAME}"
    temporary.write_bytes(content)
    temporary.replace(folder / KEPT_NAME)

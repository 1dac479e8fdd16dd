"""From parts to a snapshot: numbers that outlive a restart are given, then everything is laid out.

Belongs here: giving the numbers; and for a large estate, doing all of it in a process of its own, because laying out
200,000 interfaces takes seconds, of which every other thread would feel the interpreter's lock. Does not: the layout
itself (snapshot.py), when it happens (inventory.py). Run as a program, it is that process: a request on standard
input, the snapshot in a file, faults of the configuration on standard output.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import orjson

from consumer.discovery.aws_ranges import kept_ranges
from consumer.discovery.estate import Part
from consumer.discovery.own_names import read_names
from consumer.discovery.part_file import load_part
from consumer.discovery.settings import DiscoverySettings
from consumer.discovery.snapshot import Estate, Knowledge, build_inventory, if_index_owners, merge
from consumer.discovery.snapshot_file import save_snapshot
from consumer.errors import ConfigurationError, Fault, ProtocolError, Stopped
from consumer.kcl.tether import tethered
from consumer.model.inventory import Inventory
from consumer.state.assignments import Assignments

MAX_IF_INDEX = (1 << 31) - 1
"""ifIndex is a positive Integer32 (RFC 2863, InterfaceIndex)."""
FORGET_INTERFACES_AFTER_DAYS = 90
_POLL_SECONDS = 0.2
_FAULTS = 2


def build(
    parts: Iterable[Part],
    settings: DiscoverySettings,
    assignments: Assignments,
    now: float,
    folder: Path | None = None,
) -> Inventory:
    """The snapshot of `parts`. `folder`: where newer address ranges of AWS may lie.

    ConfigurationError when the pool of exporter addresses is used up or a file of network names is wrong.
    """
    estate = merge(parts)
    if_indexes = assignments.assign(
        "if_index",
        if_index_owners(estate),
        low=1,
        high=MAX_IF_INDEX,
        now=now,
        forget_after_days=FORGET_INTERFACES_AFTER_DAYS,
    )
    exporters = _exporters(estate, settings, assignments, now)
    return build_inventory(estate, if_indexes, exporters, now, knowledge_of(settings, folder))


def knowledge_of(settings: DiscoverySettings, folder: Path | None) -> Knowledge:
    """What the settings and the files they name add to what AWS says. ConfigurationError names what is wrong."""
    ranges = kept_ranges(folder).ranges if settings.aws_ranges else ()
    return Knowledge(settings.owner_tags, read_names(settings.network_names), ranges)


def build_in_process(
    part_files: Sequence[Path],
    settings: DiscoverySettings,
    assignments: Path,
    now: float,
    out: Path,
    stop: threading.Event,
) -> None:
    """The snapshot of the parts in these files, into the file `out`, by a process of its own. Blocks for seconds.

    Raises as `build` does, Stopped when `stop` is set meanwhile, ProtocolError when the process fails.
    """
    request = orjson.dumps(
        {
            "parts": [str(file) for file in part_files],
            "settings": settings.model_dump(mode="json"),
            "assignments": str(assignments),
            "now": now,
            "out": str(out),
        }
    )
    command = tethered([sys.executable, "-m", "consumer.discovery.building"])
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        answer, errors = _answer(process, request, stop)
    if process.returncode == _FAULTS:
        raise ConfigurationError([Fault(*fault) for fault in orjson.loads(answer)])
    if process.returncode != 0:
        last_words = errors.decode(errors="replace").strip().splitlines()[-1:]
        raise ProtocolError(f"the snapshot was not built: exit {process.returncode} {' '.join(last_words)}")


def _answer(process: subprocess.Popen[bytes], request: bytes, stop: threading.Event) -> tuple[bytes, bytes]:
    given: bytes | None = request
    while True:
        try:
            return process.communicate(given, timeout=_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            given = None
        if stop.is_set():
            process.kill()
            raise Stopped("the inventory was being laid out")


def _exporters(estate: Estate, settings: DiscoverySettings, assignments: Assignments, now: float) -> Mapping[str, int]:
    """IPv4 address, as a number, by VPC: the user's choice, else one of the pool, once and for good."""
    chosen = {vpc: int(IPv4Address(text)) for vpc, text in settings.exporter_addresses.items()}
    pool = IPv4Network(settings.exporter_pool)
    try:
        given = assignments.assign(
            "exporter",
            [vpc for vpc in estate.vpcs if vpc not in chosen],
            low=int(pool.network_address) + 1,
            high=int(pool.broadcast_address) - 1,
            now=now,
            taken=chosen.values(),
        )
    except ValueError as error:
        raise ConfigurationError(
            [Fault("discovery.exporter_pool", str(pool), str(error), "give a larger network")]
        ) from error
    return given | chosen


def main() -> int:
    """Answer one request; 0 when the snapshot is written."""
    request = orjson.loads(sys.stdin.buffer.read())
    parts = [part for name in request["parts"] if (part := load_part(Path(name))) is not None]
    if len(parts) < len(request["parts"]):
        sys.exit("a part is missing: is the disk full?")
    settings = DiscoverySettings.model_validate(request["settings"])
    try:
        out = Path(request["out"])
        inventory = build(parts, settings, Assignments(Path(request["assignments"])), request["now"], out.parent)
    except ConfigurationError as error:
        faults = [(fault.key, str(fault.value), fault.problem, fault.fix) for fault in error.faults]
        sys.stdout.buffer.write(orjson.dumps(faults))
        return _FAULTS
    save_snapshot(inventory, out)
    return 0


if __name__ == "__main__":
    sys.exit(main())

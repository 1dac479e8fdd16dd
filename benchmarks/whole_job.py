"""The whole job beside its floor and a peer: gzip envelopes → named IPFIX handed to the kernel, pacing off.

Belongs here: running the product's own pipeline on generated envelopes, one pinned core, a drain on another core, and
the two bounds in the same run: the *floor* (gunzip, and datagrams of the same bytes: what no design can avoid) and
*flowlogs_reader* (Python's best known reader, which only parses). A figure whose datagrams did not all arrive is
thrown away. Times are CPU time of this process, which is all it uses when nothing waits (pacing is off): so neighbours
on the machine do not count, and a second of it is a second of the one pinned core.
"""

from __future__ import annotations

import gc
import gzip
import os
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import truediv
from statistics import median

import orjson
from flowlogs_reader import FlowRecord
from isal import igzip

from benchmarks.drain import Drain
from benchmarks.generate import FORMATS, envelopes, estate
from consumer.assembly import Outlet, build_lanes, warm_up
from consumer.clock import SystemClock
from consumer.discovery.estate.merging import merge
from consumer.discovery.estate.values import Instance, Interface, Part, Subnet, Vpc
from consumer.discovery.inventory.snapshot import build_inventory
from consumer.enrich.join import JoinCounts
from consumer.export.settings import CollectorSettings
from consumer.model.delivery import Delivery, Origin, SourceKind
from consumer.model.inventory import Inventory
from consumer.model.log_format import LogFormat
from consumer.model.tally import Reject, Tally
from consumer.pipeline import Pipeline

RUNS = 5
PEER_RECORDS = 100_000


@dataclass(frozen=True, slots=True)
class Result:
    """Records per second, medians of RUNS, plain and with segmentation offload. `record_octets`: IPFIX bytes a record,
    headers shared out. `ratio`, `plain_ratio`: to the peer, each pair measured one after the other."""

    fields: str
    whole_job: float
    plain: float
    floor: float
    peer: float
    ratio: float
    plain_ratio: float
    record_octets: float
    plain_octets: float
    resident_mb: float


def inventory_of_estate() -> Inventory:
    """Names for every generated interface, so that each record is enriched at its own end."""
    interfaces = estate()
    vpcs = {one.fields["vpc-id"]: one for one in interfaces}
    found = [
        Interface(
            id=one.interface_id, name="", account=one.account_id, vpc_id=one.fields["vpc-id"],
            subnet_id=one.fields["subnet-id"], az_id=one.fields["az-id"], instance_id=one.fields["instance-id"],
            type="interface", description="", requester="", is_managed=False,
            addresses=(one.ipv4, one.ipv6), prefixes=(), public_addresses=(), tags={},
        )
        for one in interfaces
    ]  # fmt: skip
    part = Part(
        "111111111111", "eu-central-1", 0.0,
        tuple(
            Vpc(vpc, f"network-{number}", one.account_id, (f"10.{number}.0.0/16",))
            for number, (vpc, one) in enumerate(vpcs.items())
        ),
        tuple(
            Subnet(subnet, f"subnet-{number}", "", "", ())
            for number, subnet in enumerate(dict.fromkeys(one.fields["subnet-id"] for one in interfaces))
        ),
        tuple(found),
        tuple(Instance(one.instance_id, f"web-{n}") for n, one in enumerate(found) if one.instance_id != "-"),
    )  # fmt: skip
    merged = merge([part])
    indexes = {one.id: number + 1 for number, one in enumerate(found)}
    return build_inventory(merged, indexes, {vpc: 0xC612_0001 + n for n, vpc in enumerate(vpcs)}, 0.0)


class Ledger:
    def __init__(self) -> None:
        self.total = Tally()

    def count(self, origin: Origin, tally: Tally, cut_strings: int, unnamed: JoinCounts) -> None:  # noqa: ARG002
        self.total += tally

    def dead_letter_holds(self, error: OSError | None) -> None:
        raise AssertionError(error)


def run_whole_job(
    payloads: Sequence[bytes], log_format: LogFormat, inventory: Inventory, *, has_offload: bool = True
) -> tuple[float, int, int]:
    """Seconds, records and octets of one pass over a stream's records."""
    origin = Origin(SourceKind.KINESIS, region="eu-central-1", stream="bench", shard="shardId-0")
    return run_deliveries(
        lambda: (Delivery(origin, (payload,), 0.0) for payload in payloads),
        log_format,
        inventory,
        has_offload=has_offload,
    )


def run_deliveries(
    deliveries: Callable[[], Iterator[Delivery]],
    log_format: LogFormat,
    inventory: Inventory,
    *,
    has_offload: bool = True,
) -> tuple[float, int, int]:
    """Seconds, records and octets of one pass, making the deliveries included; raises when a datagram did not arrive
    or the counts are off."""
    clock, ledger = SystemClock(), Ledger()
    with Drain(cpu=1) as drain:
        collector = CollectorSettings(
            name="drain", address=f"127.0.0.1:{drain.port}", rate=0, segmentation_offload=has_offload
        )
        with Outlet([collector], 32_473, clock) as outlet:
            pipeline = Pipeline(
                build_lanes(outlet, 1, 0x7F00_0001),
                formats=lambda _: [log_format],
                inventory=lambda: inventory,
                exporter=outlet.exporting_process,
                keep_rejects=no_rejects,
                ledger=ledger,
                clock=clock,
                abort=threading.Event(),
            )
            pipeline.process(next(deliveries()))  # vocabulary, caches, templates: once per agent
            began = time.process_time()
            for delivery in deliveries():
                pipeline.process(delivery)
            seconds = time.process_time() - began
            counts = outlet.first_counts()
        datagrams, octets = drain.finish()
    if (datagrams, octets) != (counts.messages, counts.octets):
        raise RuntimeError(f"{counts.messages - datagrams} of {counts.messages} datagrams were lost: no figure")
    assert ledger.total.is_balanced
    return seconds, counts.records, counts.octets


def no_rejects(origin: Origin, rejects: Sequence[Reject]) -> None:
    raise AssertionError(f"{origin}: {rejects[:3]}")


def run_floor(payloads: Sequence[bytes], octets: int) -> float:
    """Seconds for gunzip and for sending `octets` in 1,400-byte datagrams."""
    datagram = b"\0" * 1400
    with Drain(cpu=1) as drain, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", drain.port))
        began = time.process_time()
        for payload in payloads:
            igzip.decompress(payload)  # type: ignore[no-untyped-call]
        for _ in range(octets // len(datagram)):
            sender.send(datagram)
        seconds = time.process_time() - began
        if drain.finish()[0] != octets // len(datagram):
            raise RuntimeError("the floor's datagrams were lost: no figure")
    return seconds


def run_peer(payloads: Sequence[bytes], log_format: LogFormat) -> float:
    """Seconds for flowlogs_reader to parse the events (JSON and gunzip not counted)."""
    events = [event for payload in payloads for event in orjson.loads(gzip.decompress(payload))["logEvents"]]
    fields = [name.replace("-", "_") for name in log_format.fields]
    began = time.process_time()
    for event in events:
        FlowRecord.from_cwl_event(event, fields)
    return time.process_time() - began


def measure(fields: str, record_count: int, events_each: int) -> Result:
    """One format, everything in the same run."""
    log_format = FORMATS[fields]
    payloads = list(envelopes(record_count, log_format, events_each=events_each))
    inventory = inventory_of_estate()
    warm_up()
    gc.freeze()
    jobs, plains, floors, peers = [], [], [], []
    peer_count = min(PEER_RECORDS, record_count)
    peer_payloads = payloads[: max(1, peer_count // events_each)]
    for _ in range(RUNS):
        seconds, records, octets = run_whole_job(payloads, log_format, inventory)
        jobs.append(record_count / seconds)
        seconds, plain_records, plain_octets = run_whole_job(payloads, log_format, inventory, has_offload=False)
        plains.append(record_count / seconds)
        floors.append(record_count / run_floor(payloads, plain_octets))
        peers.append(peer_count / run_peer(peer_payloads, log_format))
    return Result(
        fields=fields,
        whole_job=median(jobs),
        plain=median(plains),
        floor=median(floors),
        peer=median(peers),
        ratio=median(map(truediv, jobs, peers)),
        plain_ratio=median(map(truediv, plains, peers)),
        record_octets=octets / records,
        plain_octets=plain_octets / plain_records,
        resident_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )


def main(record_count: int = 300_000, events_each: int = 4_000) -> None:
    """Print the table of README."""
    os.sched_setaffinity(0, {0})
    print(f"whole job, {record_count:,} records, {events_each:,} events an envelope, one pinned core, CPU time")
    print("| records/s | default format (v2) | 29 fields (v2-v5) |\n|---|---|---|")
    results = [measure(fields, record_count, events_each) for fields in FORMATS]
    rows = {
        "whole job: gzip envelope → named IPFIX on the wire": [f"**{one.whole_job:,.0f}**" for one in results],
        "the same without segmentation offload": [f"{one.plain:,.0f}" for one in results],
        "flowlogs_reader, parsing only": [f"{one.peer:,.0f}" for one in results],
        "ratio": [f"**{one.ratio:.1f} ×**" for one in results],
        "ratio without offload": [f"{one.plain_ratio:.1f} ×" for one in results],
        "floor: gunzip and the same bytes as datagrams, one call each": [f"{one.floor:,.0f}" for one in results],
        "IPFIX bytes a record (without offload, and so without padding)": [
            f"{one.record_octets:.0f} ({one.plain_octets:.0f})" for one in results
        ],
        "peak memory, MB": [f"{one.resident_mb:.0f}" for one in results],
    }
    for name, values in rows.items():
        print(f"| {name} | {' | '.join(values)} |")


if __name__ == "__main__":
    main()

"""Flow log records that look like an estate's, the same ones for the same seed.

Belongs here: lines of the default format and of the 29 fields of version 5, and CloudWatch's envelopes around them.
Does not: measuring (the other files) or the demo's live traffic (consumer/demo/).
The estate: 400 interfaces in 8 VPCs and 2 accounts; 8 % of the records are IPv6, 0.2 % NODATA or SKIPDATA; addresses
and ports of the other side are random, so it packs worse than real traffic.

    python -m benchmarks.generate --records 100000 --fields v5 --shape envelopes --out traffic.jsonl
"""

from __future__ import annotations

import argparse
import gzip
import ipaddress
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from consumer.decode.fields import DEFAULT_FORMAT, FIELDS, Family
from consumer.model.log_format import LogFormat

V2_FORMAT = DEFAULT_FORMAT
V5_FORMAT = LogFormat(
    tuple(name for name, field in FIELDS.items() if field.since <= 5 and field.family is not Family.TRANSIT_GATEWAY)
)
"""The 29 fields of versions 2 to 5, in AWS's order."""
FORMATS = {"v2": V2_FORMAT, "v5": V5_FORMAT}

INTERFACE_COUNT = 400
VPC_COUNT = 8
IPV6_SHARE = 0.08
NO_DATA_SHARE = 0.002
FIRST_SECOND = 1_760_000_000
LOG_GROUP = "/vpc/flow-logs"
_SERVICES = ("-", "-", "-", "-", "AMAZON", "S3", "EC2", "DYNAMODB", "CLOUDFRONT", "ROUTE53_RESOLVER")
_REGIONS = (("eu-central-1", "euc1"), ("us-east-1", "use1"))


@dataclass(frozen=True, slots=True)
class Interface:
    """One elastic network interface. `fields`: what every record of it says, by field name."""

    interface_id: str
    account_id: str
    ipv4: str
    ipv6: str
    fields: dict[str, str]


def estate(seed: int = 1) -> list[Interface]:
    """The interfaces, the same for the same seed."""
    random = Random(f"estate {seed}")
    interfaces = []
    for number in range(INTERFACE_COUNT):
        vpc = number % VPC_COUNT
        region, zone = _REGIONS[vpc % len(_REGIONS)]
        account = f"{111111111111 * (1 + vpc % 2)}"
        ipv4 = f"10.{vpc}.{random.randrange(256)}.{random.randrange(4, 255)}"
        ipv6 = str(ipaddress.IPv6Address((0x2600_1F18_0000_0000 + vpc << 64) | random.getrandbits(64)))
        fields = {
            "account-id": account,
            "interface-id": f"eni-{random.getrandbits(68):017x}",
            "vpc-id": f"vpc-{Random(f'vpc {seed} {vpc}').getrandbits(68):017x}",
            "subnet-id": f"subnet-{Random(f'subnet {seed} {number % 24}').getrandbits(68):017x}",
            "instance-id": f"i-{random.getrandbits(68):017x}" if random.random() < 0.8 else "-",
            "region": region,
            "az-id": f"{zone}-az{1 + number % 3}",
        }
        interfaces.append(Interface(fields["interface-id"], account, ipv4, ipv6, fields))
    return interfaces


def records(
    count: int, log_format: LogFormat = V2_FORMAT, seed: int = 1, interfaces: Sequence[Interface] | None = None
) -> Iterator[tuple[Interface, int, str]]:
    """(recording interface, start in seconds, line) of `count` records."""
    random = Random(f"records {seed}")
    recording = list(interfaces or estate(seed))
    version = str(max(FIELDS[name].since for name in log_format.fields if name in FIELDS))
    for number in range(count):
        interface = recording[random.randrange(len(recording))]
        start = FIRST_SECOND + number // 1000
        record = {"version": version, **interface.fields, "start": str(start), "end": str(start + 59)}
        if random.random() < NO_DATA_SHARE:
            record["log-status"] = "NODATA" if random.random() < 0.75 else "SKIPDATA"
        else:
            record.update(_flow(random, interface))
        yield interface, start, " ".join([record.get(name, "-") for name in log_format.fields])


def lines(count: int, log_format: LogFormat = V2_FORMAT, seed: int = 1) -> Iterator[str]:
    """`count` records, interfaces mixed as in an S3 object."""
    return (line for _, _, line in records(count, log_format, seed))


def text_object(count: int, log_format: LogFormat = V2_FORMAT, seed: int = 1) -> bytes:
    """What S3 delivery writes, not packed: a header line, then the records."""
    return ("\n".join([" ".join(log_format.fields), *lines(count, log_format, seed)]) + "\n").encode()


def envelopes(
    count: int,
    log_format: LogFormat = V2_FORMAT,
    seed: int = 1,
    *,
    events_each: int = 2_000,
    is_mixed: bool = False,
    interfaces: Sequence[Interface] | None = None,
) -> Iterator[bytes]:
    """gzip envelopes of at most `events_each` events, `count` in all.

    CloudWatch puts events of one log stream, which is one interface, into an envelope. `is_mixed` ignores that and
    takes all interfaces in turn: harder for caches, as with a stream that many interfaces share.
    """
    interfaces = interfaces or estate(seed)
    made = 0
    while made < count:
        number = made // events_each
        some = interfaces if is_mixed else [interfaces[number % len(interfaces)]]
        size = min(events_each, count - made)
        found = list(records(size, log_format, seed * 1_000_003 + number, some))
        yield gzip.compress(envelope(found, made), 6, mtime=0)
        made += size


def page(count: int, log_format: LogFormat = V2_FORMAT, seed: int = 1) -> bytes:
    """One answer of FilterLogEvents, as the API lays it out: interfaces mixed, for events come in order of time."""
    events = [
        {
            "eventId": f"{number:056d}",
            "ingestionTime": start * 1000 + 90_000,
            "logStreamName": f"{interface.interface_id}-all",
            "message": line,
            "timestamp": start * 1000,
        }
        for number, (interface, start, line) in enumerate(records(count, log_format, seed))
    ]
    return json.dumps(
        {"events": events, "nextToken": "b/3141", "searchedLogStreams": []}, separators=(",", ":")
    ).encode()


def envelope(found: Iterable[tuple[Interface, int, str]], first_number: int = 0) -> bytes:
    """One subscription envelope, laid out as CloudWatch does it; ids are 56 digits."""
    kept = list(found)
    events = [
        {"id": f"{start * 1000:018d}{first_number + number:038d}", "timestamp": start * 1000, "message": line}
        for number, (_, start, line) in enumerate(kept)
    ]
    head = {
        "messageType": "DATA_MESSAGE",
        "owner": kept[0][0].account_id,
        "logGroup": LOG_GROUP,
        "logStream": f"{kept[0][0].interface_id}-all",
        "subscriptionFilters": ["to-kinesis"],
        "logEvents": events,
    }
    return json.dumps(head, separators=(",", ":")).encode()


def _flow(random: Random, interface: Interface) -> dict[str, str]:
    """The fields of one flow: who, how much, and what AWS says of it."""
    is_ipv6 = random.random() < IPV6_SHARE
    is_egress = random.random() < 0.5
    own = interface.ipv6 if is_ipv6 else interface.ipv4
    other = _address(random, is_ipv6)
    source, destination = (own, other) if is_egress else (other, own)
    protocol = random.choices((6, 17, 1), (85, 13, 2))[0]
    ports = (0, 0) if protocol == 1 else (random.randrange(1024, 65536), random.choice((443, 80, 53, 22, 3306, 5432)))
    packets = int(random.paretovariate(0.9)) % 10_000_000
    return {
        "srcaddr": source,
        "dstaddr": destination,
        "pkt-srcaddr": source,
        "pkt-dstaddr": destination,
        "srcport": str(ports[not is_egress]),
        "dstport": str(ports[is_egress]),
        "protocol": str(protocol),
        "packets": str(packets),
        "bytes": str(packets * random.randrange(40, 1500)),
        "action": "ACCEPT" if random.random() < 0.93 else "REJECT",
        "log-status": "OK",
        "tcp-flags": str(random.choice((0, 2, 3, 18, 19))) if protocol == 6 else "0",
        "type": "IPv6" if is_ipv6 else "IPv4",
        "pkt-src-aws-service": "-" if is_egress else random.choice(_SERVICES),
        "pkt-dst-aws-service": random.choice(_SERVICES) if is_egress else "-",
        "flow-direction": "egress" if is_egress else "ingress",
        "traffic-path": str(random.choice((1, 1, 7, 8))) if is_egress else "-",
    }


def _address(random: Random, is_ipv6: bool) -> str:
    """The other side: anywhere."""
    if is_ipv6:
        return str(
            ipaddress.IPv6Address((0x2A00_0000_0000_0000 | random.getrandbits(40)) << 64 | random.getrandbits(64))
        )
    bits = random.getrandbits(32)
    return f"{1 + (bits >> 24) % 223}.{bits >> 16 & 255}.{bits >> 8 & 255}.{bits & 255}"


def main() -> None:
    """Write records to a file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--fields", choices=sorted(FORMATS), default="v2")
    parser.add_argument("--shape", choices=("text", "envelopes"), default="text", help="envelopes: one JSON a line")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    log_format = FORMATS[asked.fields]
    if asked.shape == "text":
        asked.out.write_bytes(text_object(asked.records, log_format, asked.seed))
        return
    with asked.out.open("wb") as out:
        for packed in envelopes(asked.records, log_format, asked.seed):
            out.write(gzip.decompress(packed) + b"\n")


if __name__ == "__main__":
    main()

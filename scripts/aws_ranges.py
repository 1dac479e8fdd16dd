"""Renew the copy of AWS's public address ranges that comes with vpcflow.

    curl -O https://ip-ranges.amazonaws.com/ip-ranges.json
    python -m scripts.aws_ranges ip-ranges.json

Kept is what names an address: each prefix once, without those that only split one of a service. Older than the copy
that is there is refused.
"""

from __future__ import annotations

import gzip
import sys
from datetime import UTC, datetime
from pathlib import Path

import orjson

from consumer.discovery.inventory import aws_ranges


def renew(source: Path, shipped: Path) -> str:
    """Write what `source` (AWS's file) says to `shipped`; what was done, in words. ValueError when it is not that file,
    or older than the copy."""
    found = aws_ranges.parse_ranges(source.read_bytes())
    there = aws_ranges.parse_ranges(gzip.decompress(shipped.read_bytes()))
    if found.created_at < there.created_at:
        raise ValueError("it is older than the copy that is there")
    keys = {"prefixes": "ip_prefix", "ipv6_prefixes": "ipv6_prefix"}
    content = {"createDate": datetime.fromtimestamp(found.created_at, UTC).strftime("%Y-%m-%d-%H-%M-%S")} | {
        name: [
            {key: one.cidr, "region": one.region, "service": one.service}
            for one in sorted(found.ranges, key=lambda one: (one.service, one.region, one.cidr))
            if (":" in one.cidr) == (name == "ipv6_prefixes")
        ]
        for name, key in keys.items()
    }
    shipped.write_bytes(gzip.compress(orjson.dumps(content), 9, mtime=0))
    return f"{len(found.ranges):,} prefixes of {content['createDate']} (before: {len(there.ranges):,})"


def main() -> int:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        print(renew(Path(sys.argv[1]), Path(aws_ranges.__file__).parent / aws_ranges.SHIPPED))
    except (OSError, ValueError) as error:
        sys.exit(f"{sys.argv[1]}: {error}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

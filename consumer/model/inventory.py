"""What we know of the estate: an immutable snapshot that enrich joins against and encode reads names from.

Belongs here: the snapshot's shape. Does not: filling it (discovery/reading/keeper.py) or joining it (enrich/).
Swapped whole; nobody changes one in place, so its identity is a cache key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from consumer.model.address_index import AddressIndex, build_address_index
from consumer.model.networks import Networks, Views, build_networks


@dataclass(frozen=True, slots=True, eq=False)
class EntityTable:
    """`n` things (interfaces, endpoints) with columns; row 0 is "unknown": 0 and empty in every column.

    `integers`: column → uint64[n]. `strings`: column → int32[n], indices into `texts` (UTF-8, `texts[0]` = b"").
    """

    name: str
    row_count: int
    integers: Mapping[str, NDArray[np.uint64]]
    strings: Mapping[str, NDArray[np.int32]]
    texts: Sequence[bytes]

    def text(self, column: str, row: int) -> bytes:
        """The string at (column, row), empty when unknown."""
        return self.texts[int(self.strings[column][row])]


def empty_table(name: str) -> EntityTable:
    """A table that knows nothing: row 0 only, no columns (a missing column reads as unknown)."""
    return EntityTable(name, 1, {}, {}, (b"",))


LAST_MOMENT = (1 << 64) - 1
"""`until` of what is still true."""


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """Rows that took turns. Where another place gives a row, `code_of(group)` says: look at the record's start.

    Group g is positions `starts[g] : starts[g + 1]` (int64[g + 1]) of `until` (uint64, Unix seconds, ascending, the
    last LAST_MOMENT) and `rows` (int64): the first row whose `until` is later than the start of the record.
    """

    starts: NDArray[np.int64]
    until: NDArray[np.uint64]
    rows: NDArray[np.int64]


def code_of(group: int) -> int:
    """What stands in place of a row: 0 is unknown, -1 is ambiguous, so groups begin at -2."""
    return -2 - group


def build_history(groups: Sequence[Sequence[tuple[int, int]]]) -> History:
    """`groups`: (until, row) in order of time."""
    starts = np.cumsum([0, *map(len, groups)], dtype=np.int64)
    flat = [turn for group in groups for turn in group]
    until = np.array([turn[0] for turn in flat], dtype=np.uint64)
    return History(starts, until, np.array([turn[1] for turn in flat], dtype=np.int64))


@dataclass(frozen=True, slots=True, eq=False)
class Inventory:
    """One snapshot.

    `interfaces`: one row an elastic network interface (and regional NAT gateway). Columns: strings as the endpoints;
    integers `if_index` (synthetic, stable, 31 bits), `vpc` (dense number of the VPC, ≥ 1), `view` (≥ 1),
    `exporter_address` (IPv4).
    `interface_rows`: interface id → row, or code of `history` (also resource id → row).
    `endpoints`: one row a thing that can stand behind an address; its first rows are the interfaces. Strings `name,
    instance_id, instance_name, instance_type, interface_id, subnet_id, subnet_name, vpc_id, vpc_name, account_id,
    region, az_id, service, owner, site, tags, group, cluster`; integer `path` (model/flow_path.py) where the thing is
    a next hop itself. Subnets, VPCs, sites behind transit gateways, the user's own networks and AWS's public ranges
    have rows too: an address nobody claims is at least placed.
    `addresses`: (VPC, address) → row in `endpoints`, or code of `history`; VPC 0 = public addresses, valid whoever
    looks. `networks`, `views`: what each VPC holds and what each of its route tables reaches.
    `vpc_numbers`: vpc id → dense number ≥ 1, of this snapshot only. `vpc_exporters`: uint64[v + 1], exporter address
    (IPv4) by VPC number, 0 = none given.
    `history`: rows of both tables that took turns, so that a record is named by what was true when it started.
    """

    interfaces: EntityTable
    interface_rows: Mapping[bytes, int]
    endpoints: EntityTable
    addresses: AddressIndex
    networks: Networks
    views: Views
    vpc_numbers: Mapping[bytes, int]
    vpc_exporters: NDArray[np.uint64]
    taken_at: float = 0.0
    history: History = field(default_factory=lambda: build_history(()))


def empty_inventory() -> Inventory:
    """Nothing known: records go out with their own fields only."""
    return Inventory(
        interfaces=empty_table("interface"),
        interface_rows={},
        endpoints=empty_table("endpoint"),
        addresses=build_address_index(np.zeros((0, 3), dtype=np.uint64), np.zeros(0, dtype=np.int64)),
        networks=build_networks(((),)),
        views=Views(np.zeros((1, 4), dtype=np.int64)),
        vpc_numbers={},
        vpc_exporters=np.zeros(1, dtype=np.uint64),
    )

"""Joining a batch with the inventory: which interface recorded each flow, and what stands behind both addresses.

Belongs here: the caches by distinct value and the call of the kernel. Does not: the loop (kernels.py), the names
themselves (encode reads them from the tables).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from consumer.enrich import addresses, kernels
from consumer.model.flow_batch import Column, FlowBatch, JoinedColumns, Kind, Rows
from consumer.model.flow_path import BY_INTERFACE_TYPE
from consumer.model.inventory import EntityTable, Inventory, empty_inventory
from consumer.model.log_format import LogFormat
from consumer.model.networks import Networks
from consumer.model.vocabulary import Vocabulary

Table = NDArray[np.int32]

COLUMNS = {
    column.name: column
    for column in (
        Column("interface", Kind.REFERENCE, kernels.OUT_INTERFACE, "interface"),
        Column("source", Kind.REFERENCE, kernels.OUT_SOURCE, "endpoint"),
        Column("destination", Kind.REFERENCE, kernels.OUT_DESTINATION, "endpoint"),
        Column("ingress_interface", Kind.UNSIGNED, kernels.OUT_INGRESS),
        Column("egress_interface", Kind.UNSIGNED, kernels.OUT_EGRESS),
        Column("exporter_address", Kind.UNSIGNED, kernels.OUT_EXPORTER),
        Column("path", Kind.UNSIGNED, kernels.OUT_PATH),
    )
}
"""What the join adds to every row."""

FIELDS = {
    "interface-id": kernels.INTERFACE,
    "resource-id": kernels.RESOURCE,  # a regional NAT gateway has no interface id (version 9)
    "vpc-id": kernels.VPC,
    "tgw-src-vpc-id": kernels.SOURCE_VPC,  # transit gateway records name both VPCs
    "tgw-dst-vpc-id": kernels.DESTINATION_VPC,
    "flow-direction": kernels.DIRECTION,
    "srcaddr": kernels.SOURCE,
    "dstaddr": kernels.DESTINATION,
    "start": kernels.START,
    "traffic-path": kernels.TRAFFIC_PATH,  # the way of egress traffic, and who is at the other end of the hop
    "interface-type": kernels.INTERFACE_TYPE,
    "next-hop-interface-type": kernels.NEXT_HOP_TYPE,
    "next-hop-vpc-id": kernels.NEXT_HOP_VPC,
}
_DIRECTIONS = {b"ingress": kernels.INGRESS, b"egress": kernels.EGRESS}
_UNKNOWN_INTERFACES_KEPT = 1000


@dataclass(slots=True)
class JoinCounts:
    """Ends and rows that stayed without a name, since the last time somebody asked. Counted per row."""

    unknown_interface: int = 0
    unknown_vpc: int = 0
    ambiguous_source: int = 0
    ambiguous_destination: int = 0

    def by_reason(self) -> dict[str, int]:
        """The counts that are not zero."""
        return {name: count for name in self.__slots__ if (count := getattr(self, name))}


class Joiner:
    """Mutable, one per lane, used by one thread at a time.

    Caches hang on the identity of the vocabulary and of the inventory; either being replaced empties them, which
    costs one dictionary look-up per distinct string and nothing per row. `agent_address`: our own IPv4 address, the
    exporter address of flows whose VPC nobody knows.
    """

    def __init__(self, agent_address: int = 0) -> None:
        self._agent_address = np.uint64(agent_address)
        self._inventory = empty_inventory()
        self._vocabulary: Vocabulary | None = None
        self._plans: dict[LogFormat, NDArray[np.int64]] = {}
        self._block = np.zeros(addresses.BLOCK_SHAPE, dtype=np.int64)
        self._counts = np.zeros(kernels.COUNT_SIZE, dtype=np.int64)
        self._unknown_interfaces: dict[bytes, None] = {}
        self._found = np.zeros(0, dtype=np.int64)
        self._interfaces = self._vpcs = self._directions = self._kinds = np.zeros(0, dtype=np.int32)
        self._use_inventory(self._inventory)

    def join(self, batch: FlowBatch, rows: Rows, inventory: Inventory) -> JoinedColumns:
        """Columns for `rows` of `batch`; the other rows of the result hold anything."""
        self._renew(batch.vocabulary, inventory)
        plan = self._plan(batch)
        if len(self._found) < len(rows):
            self._found = np.zeros(len(rows), dtype=np.int64)
        out = np.empty((batch.row_count, kernels.OUT_SIZE), dtype=np.uint64)
        done = 0
        while done < len(rows):
            with np.errstate(over="ignore"):  # the hash wraps on purpose; without the compiler NumPy would warn
                done = kernels.join_rows(
                    batch.words, rows, done, plan,
                    self._interfaces, self._vpcs, self._directions, self._kinds,
                    self._interface_views, self._if_indexes, self._row_paths, inventory.vpc_exporters,
                    self._tables, self._agent_address, self._block, out, self._counts,
                )  # fmt: skip
            if done < len(rows):
                self._look_up_new(batch, rows, done, plan)
        tables = {"interface": inventory.interfaces, "endpoint": inventory.endpoints}
        return JoinedColumns(COLUMNS, out, tables)

    def take_counts(self) -> JoinCounts:
        """Counts since the last call."""
        counts = JoinCounts(*(int(count) for count in self._counts))
        self._counts[:] = 0
        return counts

    def take_unknown_interfaces(self) -> tuple[bytes, ...]:
        """Interface ids seen and not in the inventory, since the last call; at most 1,000, the first ones."""
        unknown = tuple(self._unknown_interfaces)
        self._unknown_interfaces.clear()
        return unknown

    def _renew(self, vocabulary: Vocabulary, inventory: Inventory) -> None:
        if inventory is not self._inventory:
            self._use_inventory(inventory)
        elif vocabulary is self._vocabulary and len(vocabulary.starts) <= len(self._interfaces):
            return
        capacity = len(vocabulary.starts)
        self._interfaces, self._vpcs, self._directions, self._kinds = (_unseen(capacity) for _ in range(4))
        self._vocabulary = vocabulary

    def _use_inventory(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._interface_views = _integers(inventory.interfaces, "view")
        self._if_indexes = _integers(inventory.interfaces, "if_index")
        self._row_paths = _integers(inventory.endpoints, "path")
        self._tables = tables_of(inventory)

    def _plan(self, batch: FlowBatch) -> NDArray[np.int64]:
        """int64[13]: word of each column the kernel reads, -1 where the log format has none."""
        plan = self._plans.get(batch.log_format)
        if plan is None:
            plan = np.full(kernels.PLAN_SIZE, -1, dtype=np.int64)
            for name, position in FIELDS.items():
                if name in batch.columns:
                    plan[position] = batch.columns[name].word
            self._plans[batch.log_format] = plan
        return plan

    def _look_up_new(self, batch: FlowBatch, rows: Rows, begin: int, plan: NDArray[np.int64]) -> None:
        """Give a meaning to every string from row position `begin` on that was not seen before."""
        for position, table, meaning in (
            (kernels.INTERFACE, self._interfaces, self._interface_row),
            (kernels.RESOURCE, self._interfaces, self._interface_row),
            (kernels.VPC, self._vpcs, self._vpc_number),
            (kernels.SOURCE_VPC, self._vpcs, self._vpc_number),
            (kernels.DESTINATION_VPC, self._vpcs, self._vpc_number),
            (kernels.NEXT_HOP_VPC, self._vpcs, self._vpc_number),
            (kernels.DIRECTION, self._directions, self._direction),
            (kernels.INTERFACE_TYPE, self._kinds, self._kind),
            (kernels.NEXT_HOP_TYPE, self._kinds, self._kind),
        ):
            if plan[position] >= 0:
                self._look_up(batch, rows, begin, int(plan[position]), table, meaning)

    def _look_up(
        self, batch: FlowBatch, rows: Rows, begin: int, word: int, table: Table, meaning: Callable[[bytes], int]
    ) -> None:
        count = kernels.new_ids(batch.words, rows, begin, word, table, self._found)
        for number in self._found[:count].tolist():
            table[number] = meaning(batch.vocabulary.text(number))

    def _interface_row(self, name: bytes) -> int:
        row = self._inventory.interface_rows.get(name, 0)
        if not row and name.startswith(b"eni-") and len(self._unknown_interfaces) < _UNKNOWN_INTERFACES_KEPT:
            self._unknown_interfaces[name] = None
        return row

    def _vpc_number(self, name: bytes) -> int:
        return self._inventory.vpc_numbers.get(name, 0)

    @staticmethod
    def _direction(name: bytes) -> int:
        return _DIRECTIONS.get(name, 0)

    @staticmethod
    def _kind(name: bytes) -> int:
        return BY_INTERFACE_TYPE.get(name, 0)


def tables_of(inventory: Inventory) -> addresses.Tables:
    """What the kernel searches."""
    index, networks, history = inventory.addresses, inventory.networks, inventory.history
    return addresses.Tables(
        index.slots, np.uint64(index.bits), index.has_prefixes,
        index.marks, np.uint64(len(index.marks).bit_length() + 5),
        networks.highs, networks.lows, networks.values, _aws_places(networks),
        _views(inventory),
        history.starts, history.until, history.rows,
    )  # fmt: skip


def _views(inventory: Inventory) -> NDArray[np.uint32]:
    """uint32[v, VIEW_SIZE]: the views with where their networks lie, so that the kernel need not look for that."""
    vpcs, reached, named, strays = inventory.views.lines.T
    views = np.zeros((len(vpcs), addresses.VIEW_SIZE), dtype=np.uint32)
    views[:, addresses.VIEW_VPC], views[:, addresses.VIEW_STRAYS] = vpcs, strays
    lists = ((addresses.VIEW_OWN, vpcs), (addresses.VIEW_REACHED, reached), (addresses.VIEW_NAMED, named))
    for column, numbers in lists:
        for step in range(3):
            views[:, column + step] = inventory.networks.starts[2 * numbers + step]
    return views


def _aws_places(networks: Networks) -> NDArray[np.int32]:
    """int32[2^AWS_BITS + 1]: the last of AWS's IPv4 ranges that begins at or before each part of the address space.

    The range of an address of part p is one of those from `[p]` to `[p + 1]`.
    """
    first, end = networks.starts[:2].astype(np.int64)
    parts = np.arange((1 << addresses.AWS_BITS) + 1, dtype=np.uint64) << np.uint64(32 - addresses.AWS_BITS)
    places: NDArray[np.int64] = first + np.searchsorted(networks.lows[first:end], parts, side="right") - 1
    return places.astype(np.int32)


def _unseen(capacity: int) -> Table:
    """A table by vocabulary id in which only null (id 0) is known, and means nothing."""
    table = np.full(capacity, kernels.UNSEEN, dtype=np.int32)
    table[0] = 0
    return table


def _integers(table: EntityTable, column: str) -> NDArray[np.uint64]:
    """A column of a table; a missing column reads as unknown in every row."""
    known = table.integers.get(column)
    return np.zeros(table.row_count, dtype=np.uint64) if known is None else known

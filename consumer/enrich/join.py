"""Joining a batch with the inventory: which interface recorded each flow, and what stands behind both addresses.

Belongs here: the caches by distinct value and the call of the kernel. Does not: the loop (kernels.py), what is cached
of an interface (views.py), the names themselves (encode reads them from the tables).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial

import numpy as np
from numba import config
from numpy.typing import NDArray

from consumer.enrich import addresses, kernels
from consumer.enrich.views import Views, integers
from consumer.model.flow_batch import Column, FlowBatch, JoinedColumns, Kind, Rows
from consumer.model.flow_path import BY_INTERFACE_TYPE
from consumer.model.inventory import Inventory, empty_inventory
from consumer.model.log_format import LogFormat
from consumer.model.networks import Networks
from consumer.model.vocabulary import Vocabulary

Meanings = NDArray[np.int32]

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
_MEANINGS = (
    (kernels.INTERFACE, kernels.INTERFACES),
    (kernels.RESOURCE, kernels.INTERFACES),
    (kernels.VPC, kernels.VPCS),
    (kernels.SOURCE_VPC, kernels.VPCS),
    (kernels.DESTINATION_VPC, kernels.VPCS),
    (kernels.NEXT_HOP_VPC, kernels.VPCS),
    (kernels.DIRECTION, kernels.DIRECTIONS),
    (kernels.INTERFACE_TYPE, kernels.KINDS),
    (kernels.NEXT_HOP_TYPE, kernels.KINDS),
)
"""Columns of strings that the kernel reads, and what kind of meaning theirs is."""
_DIRECTIONS = {b"ingress": kernels.INGRESS, b"egress": kernels.EGRESS}
_UNKNOWN_INTERFACES_KEPT = 1000
_wrapping: Callable[[], AbstractContextManager[object]] = (
    partial(np.errstate, over="ignore") if config.DISABLE_JIT else nullcontext  # type: ignore[attr-defined]
)
"""The hash wraps on purpose; without the compiler NumPy would warn. Small batches notice what it costs."""


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
        self._meanings: Meanings = np.zeros((kernels.MEANING_COUNT, 0), dtype=np.int32)
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
            with _wrapping():
                done = kernels.join_rows(
                    batch.words, rows, done, plan, self._meanings, self._row_paths,
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
        elif vocabulary is self._vocabulary and len(vocabulary.starts) <= self._meanings.shape[1]:
            return
        self._meanings = np.full((kernels.MEANING_COUNT, len(vocabulary.starts)), kernels.UNSEEN, dtype=np.int32)
        self._meanings[:, 0] = 0  # null is known, and means nothing
        self._views.forget()
        self._vocabulary = vocabulary

    def _use_inventory(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._row_paths = integers(inventory.endpoints, "path")
        self._views = Views(inventory)
        self._tables = tables_of(inventory, self._views)

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
        meanings_of: dict[int, Callable[[Sequence[bytes]], Sequence[int]]] = {
            kernels.INTERFACES: self._interface_views,
            kernels.VPCS: lambda names: [self._inventory.vpc_numbers.get(name, 0) for name in names],
            kernels.DIRECTIONS: lambda names: [_DIRECTIONS.get(name, 0) for name in names],
            kernels.KINDS: lambda names: [BY_INTERFACE_TYPE.get(name, 0) for name in names],
        }
        for position, kind in _MEANINGS:
            if plan[position] >= 0:
                table = self._meanings[kind]
                count = kernels.new_ids(batch.words, rows, begin, int(plan[position]), table, self._found)
                numbers = self._found[:count]
                table[numbers] = meanings_of[kind]([batch.vocabulary.text(number) for number in numbers.tolist()])

    def _interface_views(self, names: Sequence[bytes]) -> Sequence[int]:
        codes = [self._inventory.interface_rows.get(name, 0) for name in names]
        for name, code in zip(names, codes, strict=True):
            if not code and name.startswith(b"eni-") and len(self._unknown_interfaces) < _UNKNOWN_INTERFACES_KEPT:
                self._unknown_interfaces[name] = None
        views = self._views.add(codes, names)
        self._tables = self._tables._replace(views=self._views.lines)
        return views


def tables_of(inventory: Inventory, views: Views) -> addresses.Tables:
    """What the kernel searches."""
    index, networks, history = inventory.addresses, inventory.networks, inventory.history
    return addresses.Tables(
        index.slots, np.uint64(index.bits), index.has_prefixes,
        index.marks, np.uint64(len(index.marks).bit_length() + 5),
        networks.highs, networks.lows, networks.values, _aws_places(networks),
        views.lines,
        history.starts, history.until, history.rows,
    )  # fmt: skip


def _aws_places(networks: Networks) -> NDArray[np.int32]:
    """int32[2^AWS_BITS + 1]: the last of AWS's IPv4 ranges that begins at or before each part of the address space.

    The range of an address of part p is one of those from `[p]` to `[p + 1]`.
    """
    first, end = networks.starts[:2].astype(np.int64)
    parts = np.arange((1 << addresses.AWS_BITS) + 1, dtype=np.uint64) << np.uint64(32 - addresses.AWS_BITS)
    places: NDArray[np.int64] = first + np.searchsorted(networks.lows[first:end], parts, side="right") - 1
    return places.astype(np.int32)

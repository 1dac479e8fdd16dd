"""Flow batches and small estates made by hand, for tests of what comes after decode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_address

import numpy as np

from consumer.discovery.estate.merging import if_index_owners, merge
from consumer.discovery.estate.values import Interface, Part
from consumer.discovery.inventory.rows import Knowledge
from consumer.discovery.inventory.snapshot import build_inventory
from consumer.model.address_index import LOW_HALF
from consumer.model.flow_batch import Column, FlowBatch, Kind
from consumer.model.inventory import Inventory
from consumer.model.log_format import LogFormat
from consumer.model.vocabulary import Vocabulary

_NUMBERS = ("start", "traffic-path")
_ADDRESSES = ("srcaddr", "dstaddr", "pkt-srcaddr", "pkt-dstaddr")


def flow_batch(records: Sequence[Mapping[str, str]], vocabulary: Vocabulary | None = None) -> FlowBatch:
    """Rows from texts by field; a field that a record does not have, or `-`, is null. `start` and
    `traffic-path` are numbers, addresses are addresses, all others strings."""
    vocabulary = vocabulary or Vocabulary(1024, 1 << 16)
    columns: dict[str, Column] = {}
    word = 0
    for name in dict.fromkeys(name for record in records for name in record):
        kind = Kind.ADDRESS if name in _ADDRESSES else Kind.UNSIGNED if name in _NUMBERS else Kind.STRING
        columns[name] = Column(name, kind, word)
        word += columns[name].word_count
    words = np.zeros((len(records), word), dtype=np.uint64)
    nulls = np.zeros((len(records), 2), dtype=np.uint64)
    for row, record in enumerate(records):
        for position, (name, column) in enumerate(columns.items()):
            text = record.get(name, "-")
            if text == "-":
                nulls[row, position // 64] |= np.uint64(1 << position % 64)
            elif column.kind is Kind.ADDRESS:
                address = ip_address(text)
                words[row, column.word : column.word + 3] = (
                    int(address) >> 64,
                    int(address) & LOW_HALF,
                    address.version,
                )
            elif column.kind is Kind.UNSIGNED:
                words[row, column.word] = int(text)
            else:
                words[row, column.word] = vocabulary.intern(text.encode())
    lines = np.arange(len(records), dtype=np.int64)
    return FlowBatch(LogFormat(tuple(columns)), columns, words, nulls, vocabulary, lines)


def all_rows(batch: FlowBatch) -> np.typing.NDArray[np.int64]:
    return np.arange(batch.row_count, dtype=np.int64)


def inventory_of(
    *parts: Part, exporters: Mapping[str, int] | None = None, knowledge: Knowledge | None = None
) -> Inventory:
    """A snapshot of these parts. ifIndexes count from 1 in order; VPCs have no exporter address unless given."""
    estate = merge(parts)
    if_indexes = {owner: number for number, owner in enumerate(if_index_owners(estate), 1)}
    return build_inventory(estate, if_indexes, exporters or {}, 0.0, knowledge)


def interface(id: str, vpc_id: str, *addresses: str, **other: object) -> Interface:  # noqa: A002  AWS's word
    """An interface with defaults for everything a test does not care about."""
    values: dict[str, object] = {
        "name": "",
        "account": "111111111111",
        "subnet_id": "",
        "az_id": "",
        "instance_id": "",
        "type": "interface",
        "description": "",
        "requester": "",
        "is_managed": False,
        "prefixes": (),
        "public_addresses": (),
        "tags": {},
    }
    return Interface(id=id, vpc_id=vpc_id, addresses=addresses, **(values | other))  # type: ignore[arg-type]

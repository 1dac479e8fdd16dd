"""A snapshot of the inventory as one file that is mapped, not parsed.

Belongs here: the layout of the file. Does not: making a snapshot (snapshot.py), checking that a file is whole
(sealed_file.py). Content: length of a JSON header, the header (names, types and shapes of arrays), the arrays, each at
a multiple of 64 bytes. Little-endian, as every machine we run on.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from consumer.discovery.sealed_file import read_sealed, write_sealed
from consumer.model.address_index import AddressIndex
from consumer.model.inventory import EntityTable, History, Inventory
from consumer.model.networks import Networks, Views

KIND, SCHEMA = 1, 4
_ALIGNMENT = 64
Array = NDArray[Any]


def save_snapshot(inventory: Inventory, file: Path) -> None:
    """Write the snapshot. OSError when the disk does not let us."""
    arrays: dict[str, Array] = {
        "slots": inventory.addresses.slots,
        "network_starts": inventory.networks.starts,
        "network_highs": inventory.networks.highs,
        "network_lows": inventory.networks.lows,
        "network_values": inventory.networks.values,
        "views": inventory.views.lines,
        "vpc_exporters": inventory.vpc_exporters,
        "turn_starts": inventory.history.starts,
        "turn_until": inventory.history.until,
        "turn_rows": inventory.history.rows,
        "interface_codes": np.fromiter(inventory.interface_rows.values(), np.int64),
        "vpc_codes": np.fromiter(inventory.vpc_numbers.values(), np.int64),
        **_packed("interface_names", inventory.interface_rows),
        **_packed("vpc_names", inventory.vpc_numbers),
        **_packed("texts", inventory.interfaces.texts),
    }
    assert inventory.endpoints.texts is inventory.interfaces.texts, "both tables have one pool of texts"
    for table in (inventory.interfaces, inventory.endpoints):
        arrays |= {f"{table.name}/integers/{name}": column for name, column in table.integers.items()}
    arrays |= {f"strings/{name}": column for name, column in inventory.endpoints.strings.items()}
    header = orjson.dumps(
        {
            "taken_at": inventory.taken_at,
            "bits": inventory.addresses.bits,
            "has_prefixes": inventory.addresses.has_prefixes,
            "rows": {table.name: table.row_count for table in (inventory.interfaces, inventory.endpoints)},
            "arrays": [[name, array.dtype.str, array.shape] for name, array in arrays.items()],
        }
    )
    pieces: list[bytes | memoryview] = [len(header).to_bytes(8, "little") + header]
    pieces[0] = _padded(bytes(pieces[0]))
    for array in arrays.values():
        flat = np.ascontiguousarray(array)
        pieces += [flat.reshape(-1).view(np.uint8).data, bytes(-flat.nbytes % _ALIGNMENT)]
    write_sealed(file, KIND, SCHEMA, pieces)


def load_snapshot(file: Path) -> Inventory | None:
    """The snapshot of `file`, its arrays mapped copy-on-write; None when there is no usable one."""
    content = read_sealed(file, KIND, SCHEMA)
    if content is None:
        return None
    size = int.from_bytes(content[:8], "little")
    header = orjson.loads(content[8 : 8 + size])
    arrays = _arrays(content, header["arrays"], _aligned(8 + size))
    texts = _unpacked(arrays, "texts")
    strings = _columns(arrays, "strings/")
    tables = []
    for name in ("interface", "endpoint"):
        count = header["rows"][name]
        columns = {column: array[:count] for column, array in strings.items()}  # interfaces are the first endpoints
        tables.append(EntityTable(name, count, _columns(arrays, f"{name}/integers/"), columns, texts))
    return Inventory(
        interfaces=tables[0],
        interface_rows=_numbered(_unpacked(arrays, "interface_names"), arrays["interface_codes"].tolist()),
        endpoints=tables[1],
        addresses=AddressIndex(arrays["slots"], header["bits"], header["has_prefixes"]),
        networks=Networks(*(arrays[f"network_{name}"] for name in ("starts", "highs", "lows", "values"))),
        views=Views(arrays["views"]),
        vpc_numbers=dict(zip(_unpacked(arrays, "vpc_names"), arrays["vpc_codes"].tolist(), strict=True)),
        vpc_exporters=arrays["vpc_exporters"],
        taken_at=header["taken_at"],
        history=History(arrays["turn_starts"], arrays["turn_until"], arrays["turn_rows"]),
    )


def _arrays(content: memoryview, described: Sequence[tuple[str, str, Sequence[int]]], at: int) -> dict[str, Array]:
    arrays: dict[str, Array] = {}
    for name, kind, shape in described:
        count = math.prod(shape)
        array: Array = np.frombuffer(content, np.dtype(kind), count, at) if count else np.zeros(0, np.dtype(kind))
        arrays[name] = array.reshape(shape)
        at = _aligned(at + array.nbytes)
    return arrays


def _columns(arrays: dict[str, Array], prefix: str) -> dict[str, Array]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _packed(name: str, texts: Iterable[bytes]) -> dict[str, Array]:
    """Texts back to back, and where each ends."""
    known = list(texts)
    ends = np.cumsum(np.fromiter(map(len, known), np.int64, len(known)), dtype=np.int64)
    return {name: np.frombuffer(b"".join(known), np.uint8), f"{name}_ends": ends}


def _unpacked(arrays: dict[str, Array], name: str) -> tuple[bytes, ...]:
    whole = arrays[name].tobytes()
    return tuple(whole[begin:end] for begin, end in pairwise([0, *arrays[f"{name}_ends"].tolist()]))


_AT_ONCE = 10_000


def _numbered(names: Sequence[bytes], codes: Sequence[int]) -> dict[bytes, int]:
    """A dictionary, made in pieces: in one piece 200,000 names held the interpreter for 50 ms, and all threads with
    it."""
    numbered: dict[bytes, int] = {}
    for begin in range(0, len(names), _AT_ONCE):
        numbered.update(zip(names[begin : begin + _AT_ONCE], codes[begin : begin + _AT_ONCE], strict=True))
    return numbered


def _aligned(position: int) -> int:
    return position + -position % _ALIGNMENT


def _padded(piece: bytes) -> bytes:
    return piece + bytes(-len(piece) % _ALIGNMENT)

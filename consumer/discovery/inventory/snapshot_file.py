"""A snapshot of the inventory as one file that is mapped, not parsed.

Belongs here: the layout of the file. Does not: making a snapshot (snapshot.py), checking that a file is whole
(sealed_file.py). Content: length of a JSON header, the header (names, types and shapes of arrays), the arrays, each at
a multiple of 64 bytes. Little-endian, as every machine we run on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import orjson
from numpy.typing import NDArray

from consumer.discovery.sealed_file import Buffer, free_in_background, read_sealed, seal, write_sealed
from consumer.model.address_index import AddressIndex
from consumer.model.inventory import EntityTable, History, Inventory
from consumer.model.networks import Networks, Views
from consumer.model.packed import Numbered, Texts

KIND, SCHEMA = 1, 6
_ALIGNMENT = 64
Array = NDArray[Any]


def save_snapshot(inventory: Inventory, file: Path) -> None:
    """Write the snapshot and put it in its place. OSError when the disk does not let us."""
    write_sealed(file, KIND, SCHEMA, _pieces(inventory))


def write_snapshot(inventory: Inventory, out: BinaryIO) -> None:
    """Write the snapshot into an open file."""
    seal(out, KIND, SCHEMA, _pieces(inventory))


def _pieces(inventory: Inventory) -> list[Buffer]:
    arrays: dict[str, Array] = {
        "slots": inventory.addresses.slots,
        "marks": inventory.addresses.marks,
        "network_starts": inventory.networks.starts,
        "network_highs": inventory.networks.highs,
        "network_lows": inventory.networks.lows,
        "network_values": inventory.networks.values,
        "views": inventory.views.lines,
        "vpc_exporters": inventory.vpc_exporters,
        "turn_starts": inventory.history.starts,
        "turn_until": inventory.history.until,
        "turn_rows": inventory.history.rows,
        **_numbered_arrays("interface", Numbered.of(inventory.interface_rows)),
        **_numbered_arrays("vpc", Numbered.of(inventory.vpc_numbers)),
        **_text_arrays("texts", Texts.of(inventory.interfaces.texts)),
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
    pieces: list[Buffer] = [_padded(len(header).to_bytes(8, "little") + header)]
    for array in arrays.values():
        flat = np.ascontiguousarray(array)
        pieces += [flat.reshape(-1).view(np.uint8).data, bytes(-flat.nbytes % _ALIGNMENT)]
    return pieces


def load_snapshot(file: Path) -> Inventory | None:
    """The snapshot of `file`, its arrays mapped copy-on-write; None when there is no usable one."""
    content = read_sealed(file, KIND, SCHEMA)
    if content is None:
        return None
    free_in_background(content, file)
    size = int.from_bytes(content[:8], "little")
    header = orjson.loads(content[8 : 8 + size])
    arrays = _arrays(content, header["arrays"], _aligned(8 + size))
    texts = _texts(arrays, "texts")
    strings = _columns(arrays, "strings/")
    tables = []
    for name in ("interface", "endpoint"):
        count = header["rows"][name]
        columns = {column: array[:count] for column, array in strings.items()}  # interfaces are the first endpoints
        tables.append(EntityTable(name, count, _columns(arrays, f"{name}/integers/"), columns, texts))
    return Inventory(
        interfaces=tables[0],
        interface_rows=_numbered(arrays, "interface"),
        endpoints=tables[1],
        addresses=AddressIndex(arrays["slots"], header["bits"], header["has_prefixes"], arrays["marks"]),
        networks=Networks(*(arrays[f"network_{name}"] for name in ("starts", "highs", "lows", "values"))),
        views=Views(arrays["views"]),
        vpc_numbers=_numbered(arrays, "vpc"),
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


def _text_arrays(name: str, texts: Texts) -> dict[str, Array]:
    return {name: texts.arena, f"{name}_ends": texts.ends}


def _texts(arrays: dict[str, Array], name: str) -> Texts:
    return Texts(arrays[name], arrays[f"{name}_ends"])


def _numbered_arrays(name: str, numbered: Numbered) -> dict[str, Array]:
    tables: dict[str, Array] = {f"{name}_codes": numbered.numbers, f"{name}_slots": numbered.slots}
    return tables | _text_arrays(f"{name}_names", numbered.names)


def _numbered(arrays: dict[str, Array], name: str) -> Numbered:
    return Numbered(_texts(arrays, f"{name}_names"), arrays[f"{name}_codes"], arrays[f"{name}_slots"])


def _aligned(position: int) -> int:
    return position + -position % _ALIGNMENT


def _padded(piece: bytes) -> bytes:
    return piece + bytes(-len(piece) % _ALIGNMENT)

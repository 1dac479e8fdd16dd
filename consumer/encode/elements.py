"""What an information element is: number, name, type, semantics, unit, range, description.

Belongs here: the value and the closed sets of RFC 7011 §6.1, RFC 7012 §3 and RFC 5610 §3. Does not: the elements
themselves (iana.py, enterprise.py) and what is put into them (mapping.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

VARIABLE_LENGTH = 65_535
"""Field length of a template that says "the record tells" (RFC 7011 §7)."""


class DataType(IntEnum):
    """Abstract data types with their codes (IANA "IPFIX Information Element Data Types", RFC 5610 §3.1)."""

    OCTET_ARRAY = 0
    UNSIGNED8 = 1
    UNSIGNED16 = 2
    UNSIGNED32 = 3
    UNSIGNED64 = 4
    STRING = 13
    DATE_TIME_SECONDS = 14
    DATE_TIME_MILLISECONDS = 15
    IPV4_ADDRESS = 18
    IPV6_ADDRESS = 19

    @property
    def label(self) -> str:
        """IANA's spelling: `unsigned8`, `dateTimeMilliseconds`, `ipv4Address`."""
        return _LABELS[self]

    @property
    def is_number(self) -> bool:
        """True for unsigned integers, which alone may have a range and may be sent in fewer octets."""
        return DataType.UNSIGNED8 <= self <= DataType.UNSIGNED64


_LABELS = {
    DataType.OCTET_ARRAY: "octetArray",
    DataType.UNSIGNED8: "unsigned8",
    DataType.UNSIGNED16: "unsigned16",
    DataType.UNSIGNED32: "unsigned32",
    DataType.UNSIGNED64: "unsigned64",
    DataType.STRING: "string",
    DataType.DATE_TIME_SECONDS: "dateTimeSeconds",
    DataType.DATE_TIME_MILLISECONDS: "dateTimeMilliseconds",
    DataType.IPV4_ADDRESS: "ipv4Address",
    DataType.IPV6_ADDRESS: "ipv6Address",
}

NATURAL_SIZES = {
    DataType.OCTET_ARRAY: VARIABLE_LENGTH,
    DataType.UNSIGNED8: 1,
    DataType.UNSIGNED16: 2,
    DataType.UNSIGNED32: 4,
    DataType.UNSIGNED64: 8,
    DataType.STRING: VARIABLE_LENGTH,
    DataType.DATE_TIME_SECONDS: 4,
    DataType.DATE_TIME_MILLISECONDS: 8,
    DataType.IPV4_ADDRESS: 4,
    DataType.IPV6_ADDRESS: 16,
}
"""Octets on the wire when no reduced size is chosen (RFC 7011 §6.1)."""


class Semantics(IntEnum):
    """Codes of IANA "IPFIX Information Element Semantics" (RFC 5610 §3.2)."""

    DEFAULT = 0
    QUANTITY = 1
    TOTAL_COUNTER = 2
    DELTA_COUNTER = 3
    IDENTIFIER = 4
    FLAGS = 5

    @property
    def label(self) -> str:
        """IANA's spelling: `deltaCounter`."""
        first, *rest = self.name.lower().split("_")
        return first + "".join(word.capitalize() for word in rest)


class Units(IntEnum):
    """Codes of IANA "IPFIX Information Element Units" (RFC 5610 §3.3)."""

    NONE = 0
    OCTETS = 2
    PACKETS = 3
    FLOWS = 4
    SECONDS = 5
    MILLISECONDS = 6

    @property
    def label(self) -> str:
        """Words for a table; empty when there is no unit."""
        return "" if self is Units.NONE else self.name.lower()


@dataclass(frozen=True, slots=True)
class InformationElement:
    """One named, numbered, typed field (RFC 7011 §2).

    `size`: octets on the wire, VARIABLE_LENGTH when the record tells. `is_enterprise`: numbered under the private
    enterprise number of the settings, else by IANA. `range_end` 0 = no range is stated (RFC 5610 §3.5, §3.6).
    """

    number: int
    name: str
    data_type: DataType
    description: str
    semantics: Semantics = Semantics.DEFAULT
    units: Units = Units.NONE
    range_begin: int = 0
    range_end: int = 0
    size: int = 0
    is_enterprise: bool = False

    def __post_init__(self) -> None:
        if not self.size:
            object.__setattr__(self, "size", NATURAL_SIZES[self.data_type])

    @property
    def is_variable(self) -> bool:
        return self.size == VARIABLE_LENGTH

    def enterprise_number(self, private_enterprise_number: int) -> int:
        """0 for an IANA element, else ours."""
        return private_enterprise_number if self.is_enterprise else 0

"""THE table of what is sent: every field of a flow log and every name we add, and the element it becomes.

Belongs here: column → element, in which profile, in which templates. To send a new field, add its element to
enterprise.py (or iana.py) and a line here. Does not: how bytes are written (layout.py, records.py).

The order on the wire is that of `Place`, within it that of this table; the first field is always fixed-length
(python-ipfix never returns from a record that begins with a string) and no element comes twice (Logstash refuses
the template, nfdump keeps the last). A column that the log format lacks is not sent. Of the columns it has:

- IANA elements that were `-` choose another template (`Group`): no collector reads a zero that nobody logged. The
  exceptions: octets and packets (1, 2) are always there and 0 when not logged, because nfdump before 1.7 refuses
  records without them (the flow was rejected then, and 1031 says why); where only one of two ports is null it is 0;
  where only one of two times is null it is the other.
- our own elements say null in their own way (enterprise.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag

from consumer.encode import iana
from consumer.encode.elements import InformationElement
from consumer.encode.enterprise import DESTINATION_OFFSET, ENTERPRISE_BY_NUMBER
from consumer.encode.settings import EncodingSettings, Profile

OCTET_NULL = 255
COUNTER_NULL = (1 << 64) - 1


class Place(IntEnum):
    """Where the value of an element comes from; also the order on the wire."""

    ADDRESS = 0
    """ADDRESS column of the batch."""
    WORD = 1
    """UNSIGNED column of the batch whose nulls are handled by the template."""
    DERIVED = 2
    """Worked out per row from several columns (`Derived`)."""
    JOINED = 3
    """UNSIGNED column that enrich added."""
    NULLABLE = 4
    """UNSIGNED column of the batch with a value of its own for null."""
    STRING = 5
    """STRING column of the batch, variable length."""
    NAME = 6
    """Strings of the row of an entity table that a joined REFERENCE points at, variable length."""
    OTHER = 7
    """The fields nobody knows here, as one string."""
    PADDING = 8
    """Nothing, or in the last record of a message what is missing to the exact message size."""


class Derived(IntEnum):
    """Words the kernel works out for each row as it writes the record."""

    ZERO = 0
    IP_VERSION = 1
    START = 2
    END = 3
    STATUS = 4
    EVENT = 5
    DIRECTION = 6


class Group(IntFlag):
    """IANA elements that are null together; the bits are the low six of the template id (DECISIONS: at most six)."""

    PORTS = 1
    TIMES = 2
    PROTOCOL = 4
    FLAGS = 8
    DIRECTION = 16
    VERDICT = 32
    """VPC: action. Transit gateway, which has no action: the four counts of lost packets."""


GROUP_FIELDS: dict[Group, tuple[str, ...]] = {
    Group.PORTS: ("srcport", "dstport"),
    Group.TIMES: ("start", "end"),
    Group.PROTOCOL: ("protocol",),
    Group.FLAGS: ("tcp-flags",),
    Group.DIRECTION: ("flow-direction",),
    Group.VERDICT: ("action",),
}
"""A group is left out of a row's template when all its fields are null (or say something we do not know)."""

DEFAULT_FIELDS = frozenset(
    (
        "version", "account-id", "interface-id", "srcaddr", "dstaddr", "srcport", "dstport", "protocol",
        "packets", "bytes", "start", "end", "action", "log-status",
    )
)  # fmt: skip
"""AWS's default format of VPC flow logs."""

TRANSIT_GATEWAY_FIELDS = frozenset(
    (
        "version", "resource-type", "account-id", "tgw-id", "tgw-attachment-id", "tgw-src-vpc-account-id",
        "tgw-dst-vpc-account-id", "tgw-src-vpc-id", "tgw-dst-vpc-id", "tgw-src-subnet-id", "tgw-dst-subnet-id",
        "tgw-src-eni", "tgw-dst-eni", "tgw-src-az-id", "tgw-dst-az-id", "tgw-pair-attachment-id", "srcaddr",
        "dstaddr", "srcport", "dstport", "protocol", "packets", "bytes", "start", "end", "log-status", "type",
        "packets-lost-no-route", "packets-lost-blackhole", "packets-lost-mtu-exceeded",
        "packets-lost-ttl-expired", "tcp-flags", "region", "flow-direction", "pkt-src-aws-service",
        "pkt-dst-aws-service",
    )
)  # fmt: skip
"""AWS's default format of transit gateway flow logs."""

JOINED_COLUMNS = (
    "interface", "source", "destination", "ingress_interface", "egress_interface", "exporter_address", "path",
)  # fmt: skip
"""What enrich adds (the first three are references to entity tables)."""

LOST_FIELDS = (
    "packets-lost-no-route",
    "packets-lost-blackhole",
    "packets-lost-mtu-exceeded",
    "packets-lost-ttl-expired",
)
LOST_COLUMN = "packets-lost"
"""Joined column in which the encoder adds the four up."""

ADDRESS_FIELDS = ("srcaddr", "dstaddr", "pkt-srcaddr", "pkt-dstaddr")

_ALL: frozenset[Profile] = frozenset(("core", "iana", "full"))
_IANA: frozenset[Profile] = frozenset(("iana",))
_FULL: frozenset[Profile] = frozenset(("full",))


@dataclass(frozen=True, slots=True)
class Mapped:
    """One line of the table.

    `column`: field of the flow log, joined column, or column of the entity table that `reference` points at.
    `family`: 4 or 6 = only in templates of that family. `group`: absent from templates whose row has it null.
    `null`: what stands for null (Place.NULLABLE). `fallback`: column of the same table to read when `column` is empty.
    `unless`: not sent when the log format itself has that field. `is_identifier`: only with `include_identifiers`.
    """

    column: str
    element: InformationElement
    place: Place
    profiles: frozenset[Profile] = _ALL
    family: int = 0
    group: Group | None = None
    derived: Derived = Derived.ZERO
    null: int = 0
    reference: str = ""
    fallback: str = ""
    unless: str = ""
    is_identifier: bool = False

    @property
    def is_always_there(self) -> bool:
        """Octets and packets (the documented zero), and the IP version, which the addresses tell."""
        return self.element.number in {1, 2} or self.derived is Derived.IP_VERSION

    def is_sent(self, settings: EncodingSettings) -> bool:
        """True when the profile holds it."""
        return settings.profile in self.profiles and (settings.include_identifiers or not self.is_identifier)


def _ours(number: int) -> InformationElement:
    return ENTERPRISE_BY_NUMBER[number]


def _derived(
    field: str, element: InformationElement, derived: Derived, group: Group | None = None, family: int = 0
) -> Mapped:
    return Mapped(field, element, Place.DERIVED, derived=derived, group=group, family=family)


def _string(field: str, number: int) -> Mapped:
    return Mapped(field, _ours(number), Place.STRING, _FULL)


def _nullable(field: str, number: int, null: int) -> Mapped:
    return Mapped(field, _ours(number), Place.NULLABLE, _FULL, null=null)


FLOW_MAPPING: tuple[Mapped, ...] = (
    # ── addresses; a family is that of its widest address, a lone IPv4 among IPv6 is sent as ::ffff:a.b.c.d ──
    Mapped("srcaddr", iana.SOURCE_IPV4_ADDRESS, Place.ADDRESS, family=4),
    Mapped("dstaddr", iana.DESTINATION_IPV4_ADDRESS, Place.ADDRESS, family=4),
    Mapped("srcaddr", iana.SOURCE_IPV6_ADDRESS, Place.ADDRESS, family=6),
    Mapped("dstaddr", iana.DESTINATION_IPV6_ADDRESS, Place.ADDRESS, family=6),
    Mapped("pkt-srcaddr", _ours(1010), Place.ADDRESS, _FULL, family=4),
    Mapped("pkt-dstaddr", _ours(1011), Place.ADDRESS, _FULL, family=4),
    Mapped("pkt-srcaddr", _ours(1012), Place.ADDRESS, _FULL, family=6),
    Mapped("pkt-dstaddr", _ours(1013), Place.ADDRESS, _FULL, family=6),
    # ── IANA numbers ──
    Mapped("srcport", iana.SOURCE_TRANSPORT_PORT, Place.WORD, group=Group.PORTS),
    Mapped("dstport", iana.DESTINATION_TRANSPORT_PORT, Place.WORD, group=Group.PORTS),
    Mapped("protocol", iana.PROTOCOL_IDENTIFIER, Place.WORD, group=Group.PROTOCOL),
    Mapped("tcp-flags", iana.TCP_CONTROL_BITS, Place.WORD, group=Group.FLAGS),
    Mapped("packets", iana.PACKET_DELTA_COUNT, Place.WORD),
    Mapped("bytes", iana.OCTET_DELTA_COUNT, Place.WORD),
    _derived("srcaddr", iana.IP_VERSION, Derived.IP_VERSION, family=4),
    _derived("srcaddr", iana.IP_VERSION, Derived.IP_VERSION, family=6),
    _derived("start", iana.FLOW_START_MILLISECONDS, Derived.START, Group.TIMES),
    _derived("end", iana.FLOW_END_MILLISECONDS, Derived.END, Group.TIMES),
    _derived("action", iana.FORWARDING_STATUS, Derived.STATUS, Group.VERDICT),
    _derived("action", iana.FIREWALL_EVENT, Derived.EVENT, Group.VERDICT),
    _derived("flow-direction", iana.FLOW_DIRECTION, Derived.DIRECTION, Group.DIRECTION),
    # ── what enrich adds as numbers ──
    Mapped("ingress_interface", iana.INGRESS_INTERFACE, Place.JOINED),
    Mapped("egress_interface", iana.EGRESS_INTERFACE, Place.JOINED),
    Mapped("exporter_address", iana.EXPORTER_IPV4_ADDRESS, Place.JOINED),
    Mapped(LOST_COLUMN, iana.DROPPED_PACKET_DELTA_COUNT, Place.JOINED, group=Group.VERDICT),
    Mapped("path", _ours(1056), Place.JOINED, _FULL),
    # ── our own numbers ──
    _nullable("version", 1001, 0),
    _nullable("traffic-path", 1020, 0),
    _nullable("encryption-status", 1033, OCTET_NULL),
    _nullable("packets-lost-no-route", 1075, COUNTER_NULL),
    _nullable("packets-lost-blackhole", 1076, COUNTER_NULL),
    _nullable("packets-lost-mtu-exceeded", 1077, COUNTER_NULL),
    _nullable("packets-lost-ttl-expired", 1078, COUNTER_NULL),
    # ── strings of the record ──
    # The interface's id goes out as 348 or as 1003, never as both: pmacct 1.7.7 shows IANA's strings blank.
    Mapped("interface-id", iana.VIRTUAL_STATION_INTERFACE_NAME, Place.STRING, _IANA),
    _string("account-id", 1002),
    _string("interface-id", 1003),
    _string("action", 1004),
    _string("log-status", 1005),
    _string("vpc-id", 1006),
    _string("subnet-id", 1007),
    _string("instance-id", 1008),
    _string("type", 1009),
    _string("region", 1014),
    _string("az-id", 1015),
    _string("sublocation-type", 1016),
    _string("sublocation-id", 1017),
    _string("pkt-src-aws-service", 1018),
    _string("pkt-dst-aws-service", 1019),
    _string("ecs-cluster-arn", 1021),
    _string("ecs-cluster-name", 1022),
    _string("ecs-container-instance-arn", 1023),
    _string("ecs-container-instance-id", 1024),
    _string("ecs-container-id", 1025),
    _string("ecs-second-container-id", 1026),
    _string("ecs-service-name", 1027),
    _string("ecs-task-definition-arn", 1028),
    _string("ecs-task-arn", 1029),
    _string("ecs-task-id", 1030),
    _string("reject-reason", 1031),
    _string("resource-id", 1032),
    _string("instance-tag", 1034),
    _string("instance-tag-2", 1035),
    _string("interface-tag", 1036),
    _string("interface-tag-2", 1037),
    _string("asg-tag", 1038),
    _string("asg-tag-2", 1039),
    _string("interface-type", 1040),
    _string("next-hop-interface-id", 1041),
    _string("next-hop-subnet-id", 1042),
    _string("next-hop-az-id", 1043),
    _string("next-hop-vpc-id", 1044),
    _string("next-hop-interface-type", 1045),
    _string("resource-type", 1061),
    _string("tgw-id", 1062),
    _string("tgw-attachment-id", 1063),
    _string("tgw-src-vpc-account-id", 1064),
    _string("tgw-dst-vpc-account-id", 1065),
    _string("tgw-src-vpc-id", 1066),
    _string("tgw-dst-vpc-id", 1067),
    _string("tgw-src-subnet-id", 1068),
    _string("tgw-dst-subnet-id", 1069),
    _string("tgw-src-eni", 1070),
    _string("tgw-dst-eni", 1071),
    _string("tgw-src-az-id", 1072),
    _string("tgw-dst-az-id", 1073),
    _string("tgw-pair-attachment-id", 1074),
)


def _observed(column: str, number: int, *, fallback: str = "", unless: str = "", is_identifier: bool = False) -> Mapped:
    return Mapped(
        column, _ours(number), Place.NAME, _FULL,
        reference="interface", fallback=fallback, unless=unless, is_identifier=is_identifier or bool(unless),
    )  # fmt: skip


def _endpoint(side: str, column: str, number: int, *, fallback: str = "", is_identifier: bool = False) -> Mapped:
    offset = DESTINATION_OFFSET if side == "destination" else 0
    return Mapped(
        column, _ours(number + offset), Place.NAME, _FULL,
        reference=side, fallback=fallback, is_identifier=is_identifier,
    )  # fmt: skip


NAME_MAPPING: tuple[Mapped, ...] = (
    # ── the recording interface; what the log format already says is not said twice ──
    Mapped(
        "instance_name", iana.VIRTUAL_STATION_NAME, Place.NAME, _IANA, reference="interface", fallback="name"
    ),
    _observed("name", 1051),
    _observed("instance_name", 1052),
    _observed("subnet_name", 1053, fallback="subnet_id"),
    _observed("vpc_name", 1054, fallback="vpc_id"),
    _observed("service", 1055),
    _observed("owner", 1057),
    _observed("site", 1058, is_identifier=True),
    _observed("tags", 1048, is_identifier=True),
    _observed("group", 1059, is_identifier=True),
    _observed("cluster", 1060, is_identifier=True),
    _observed("instance_type", 1047, is_identifier=True),
    _observed("account_id", 1002, unless="account-id"),
    _observed("interface_id", 1003, unless="interface-id"),
    _observed("vpc_id", 1006, unless="vpc-id"),
    _observed("subnet_id", 1007, unless="subnet-id"),
    _observed("instance_id", 1008, unless="instance-id"),
    _observed("region", 1014, unless="region"),
    _observed("az_id", 1015, unless="az-id"),
    # ── what stands behind the addresses ──
    *(
        line
        for side in ("source", "destination")
        for line in (
            _endpoint(side, "name", 1101),
            _endpoint(side, "subnet_name", 1102, fallback="subnet_id"),
            _endpoint(side, "vpc_name", 1103, fallback="vpc_id"),
            _endpoint(side, "service", 1104),
            _endpoint(side, "owner", 1113),
            _endpoint(side, "site", 1114),
            _endpoint(side, "az_id", 1105, is_identifier=True),
            _endpoint(side, "instance_id", 1106, is_identifier=True),
            _endpoint(side, "interface_id", 1107, is_identifier=True),
            _endpoint(side, "subnet_id", 1108, is_identifier=True),
            _endpoint(side, "vpc_id", 1109, is_identifier=True),
            _endpoint(side, "account_id", 1110, is_identifier=True),
            _endpoint(side, "region", 1111, is_identifier=True),
            _endpoint(side, "instance_name", 1112, is_identifier=True),
            _endpoint(side, "tags", 1115, is_identifier=True),
            _endpoint(side, "group", 1116, is_identifier=True),
            _endpoint(side, "cluster", 1117, is_identifier=True),
        )
    ),
)  # fmt: skip

OTHER_MAPPING = Mapped("", _ours(1046), Place.OTHER, _FULL)
"""Fields newer than this table, together in one string."""

PADDING_MAPPING = Mapped("", iana.PADDING_OCTETS, Place.PADDING, frozenset(("iana", "full")))
"""Only where messages must be equally long (`pads_messages`); it says nothing, so it is no part of MAPPING. Seen to be
read past by all that `make interop` runs. Never in core, whose promise is that all is of fixed length."""

MAPPING: tuple[Mapped, ...] = (*FLOW_MAPPING, *NAME_MAPPING, OTHER_MAPPING)

KNOWN_FIELDS = frozenset(line.column for line in FLOW_MAPPING if line.place is not Place.JOINED)
"""Fields of flow logs that have a line of their own."""

ECS_FIELDS = frozenset(field for field in KNOWN_FIELDS if field.startswith("ecs-"))
"""Left out, with a template of their own, where all of them are null: ARNs are long and most flows have none."""

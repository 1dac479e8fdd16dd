"""Which information elements we can name when we read IPFIX.

Belongs here: the look-up over our own model, and IANA elements that other exporters send. Does not: the model itself
(encode/iana.py, encode/enterprise.py).
"""

from __future__ import annotations

from consumer.collect.template import KnownElement, Lookup
from consumer.encode.enterprise import ENTERPRISE_ELEMENTS
from consumer.encode.iana import IANA_ELEMENTS

_OTHERS = {
    3: ("deltaFlowCount", "unsigned64"),
    5: ("ipClassOfService", "unsigned8"),
    9: ("sourceIPv4PrefixLength", "unsigned8"),
    13: ("destinationIPv4PrefixLength", "unsigned8"),
    15: ("ipNextHopIPv4Address", "ipv4Address"),
    16: ("bgpSourceAsNumber", "unsigned32"),
    17: ("bgpDestinationAsNumber", "unsigned32"),
    21: ("flowEndSysUpTime", "unsigned32"),
    22: ("flowStartSysUpTime", "unsigned32"),
    23: ("postOctetDeltaCount", "unsigned64"),
    24: ("postPacketDeltaCount", "unsigned64"),
    31: ("flowLabelIPv6", "unsigned32"),
    32: ("icmpTypeCodeIPv4", "unsigned16"),
    34: ("samplingInterval", "unsigned32"),
    40: ("exportedOctetTotalCount", "unsigned64"),
    41: ("exportedMessageTotalCount", "unsigned64"),
    42: ("exportedFlowRecordTotalCount", "unsigned64"),
    56: ("sourceMacAddress", "macAddress"),
    58: ("vlanId", "unsigned16"),
    62: ("ipNextHopIPv6Address", "ipv6Address"),
    80: ("destinationMacAddress", "macAddress"),
    85: ("octetTotalCount", "unsigned64"),
    86: ("packetTotalCount", "unsigned64"),
    94: ("applicationDescription", "string"),
    96: ("applicationName", "string"),
    131: ("exporterIPv6Address", "ipv6Address"),
    136: ("flowEndReason", "unsigned8"),
    138: ("observationPointId", "unsigned64"),
    139: ("icmpTypeCodeIPv6", "unsigned16"),
    143: ("meteringProcessId", "unsigned32"),
    144: ("exportingProcessId", "unsigned32"),
    145: ("templateId", "unsigned16"),
    148: ("flowId", "unsigned64"),
    150: ("flowStartSeconds", "dateTimeSeconds"),
    151: ("flowEndSeconds", "dateTimeSeconds"),
    154: ("flowStartMicroseconds", "dateTimeMicroseconds"),
    155: ("flowEndMicroseconds", "dateTimeMicroseconds"),
    156: ("flowStartNanoseconds", "dateTimeNanoseconds"),
    157: ("flowEndNanoseconds", "dateTimeNanoseconds"),
    160: ("systemInitTimeMilliseconds", "dateTimeMilliseconds"),
    164: ("ignoredPacketTotalCount", "unsigned64"),
    166: ("notSentFlowTotalCount", "unsigned64"),
    176: ("icmpTypeIPv4", "unsigned8"),
    177: ("icmpCodeIPv4", "unsigned8"),
    225: ("postNATSourceIPv4Address", "ipv4Address"),
    226: ("postNATDestinationIPv4Address", "ipv4Address"),
    239: ("biflowDirection", "unsigned8"),
    281: ("postNATSourceIPv6Address", "ipv6Address"),
    282: ("postNATDestinationIPv6Address", "ipv6Address"),
    300: ("observationDomainName", "string"),
}
"""IANA elements we do not send but are likely to be sent (registry read 2026-08): number → name, data type."""


def known_elements(private_enterprise_number: int) -> Lookup:
    """Our information model with our own elements under `private_enterprise_number`, and common IANA elements."""
    known = {(0, number): KnownElement(name, data_type) for number, (name, data_type) in _OTHERS.items()}
    known |= {(0, element.number): KnownElement(element.name, element.data_type.label) for element in IANA_ELEMENTS}
    known |= {
        (private_enterprise_number, element.number): KnownElement(element.name, element.data_type.label)
        for element in ENTERPRISE_ELEMENTS
    }
    return lambda pen, number: known.get((pen, number))

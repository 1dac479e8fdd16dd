"""The IANA elements we send.

Belongs here: those of the IANA "IPFIX Information Elements" registry (read 2026-08) that truly fit something in a
flow log. Does not: what has no IANA element (enterprise.py); who fills an element (mapping.py).
Where a size is given it is a reduced size (RFC 7011 §6.2), chosen for a collector that reads no other.
"""

from __future__ import annotations

from consumer.encode.elements import DataType, InformationElement, Semantics, Units

U8, U16, U32, U64 = DataType.UNSIGNED8, DataType.UNSIGNED16, DataType.UNSIGNED32, DataType.UNSIGNED64
MILLISECONDS = DataType.DATE_TIME_MILLISECONDS
IDENTIFIER, QUANTITY = Semantics.IDENTIFIER, Semantics.QUANTITY
DELTA, TOTAL = Semantics.DELTA_COUNTER, Semantics.TOTAL_COUNTER

# ── data records ──
OCTET_DELTA_COUNT = InformationElement(
    1, "octetDeltaCount", U64, "Octets of the flow in the aggregation interval.", DELTA, Units.OCTETS
)
PACKET_DELTA_COUNT = InformationElement(
    2, "packetDeltaCount", U64, "Packets of the flow in the aggregation interval.", DELTA, Units.PACKETS
)
PROTOCOL_IDENTIFIER = InformationElement(4, "protocolIdentifier", U8, "IANA protocol number.", IDENTIFIER)
TCP_CONTROL_BITS = InformationElement(
    # pmacct 1.7.7 shows 0 when the two octets of the registry are sent, all others read both.
    6, "tcpControlBits", U16, "TCP flags seen in the interval, or-ed.", Semantics.FLAGS, size=1,
)  # fmt: skip
SOURCE_TRANSPORT_PORT = InformationElement(
    7, "sourceTransportPort", U16, "Source port; 0 for protocols without ports.", IDENTIFIER
)
SOURCE_IPV4_ADDRESS = InformationElement(
    8, "sourceIPv4Address", DataType.IPV4_ADDRESS, "Source address of the flow."
)  # fmt: skip
INGRESS_INTERFACE = InformationElement(
    10, "ingressInterface", U32, "Synthetic number of the recording interface, 0 on egress.", IDENTIFIER
)
DESTINATION_TRANSPORT_PORT = InformationElement(
    11, "destinationTransportPort", U16, "Destination port; 0 for protocols without ports.", IDENTIFIER
)
DESTINATION_IPV4_ADDRESS = InformationElement(
    12, "destinationIPv4Address", DataType.IPV4_ADDRESS, "Destination address of the flow."
)
EGRESS_INTERFACE = InformationElement(
    14, "egressInterface", U32, "Synthetic number of the recording interface, 0 on ingress.", IDENTIFIER
)
SOURCE_IPV6_ADDRESS = InformationElement(
    27, "sourceIPv6Address", DataType.IPV6_ADDRESS, "Source address of the flow."
)  # fmt: skip
DESTINATION_IPV6_ADDRESS = InformationElement(
    28, "destinationIPv6Address", DataType.IPV6_ADDRESS, "Destination address of the flow."
)
IP_VERSION = InformationElement(60, "ipVersion", U8, "4 or 6, that of the addresses.", IDENTIFIER)
FLOW_DIRECTION = InformationElement(
    61, "flowDirection", U8, "0 ingress, 1 egress, seen from the recording interface.", IDENTIFIER
)
FORWARDING_STATUS = InformationElement(
    # One octet: Telegraf reads only the first of four.
    89, "forwardingStatus", U8, "64 accepted; 128 rejected; 129 rejected by block public access; "
    "130 rejected by encryption controls.", IDENTIFIER,
)  # fmt: skip
EXPORTER_IPV4_ADDRESS = InformationElement(
    130, "exporterIPv4Address", DataType.IPV4_ADDRESS, "Address that stands for the VPC of the recording interface."
)
DROPPED_PACKET_DELTA_COUNT = InformationElement(
    133, "droppedPacketDeltaCount", U64, "Packets the transit gateway dropped, all reasons.", DELTA, Units.PACKETS
)
FLOW_START_MILLISECONDS = InformationElement(
    152, "flowStartMilliseconds", MILLISECONDS, "First packet of the interval; flow logs say whole seconds."
)
FLOW_END_MILLISECONDS = InformationElement(
    153, "flowEndMilliseconds", MILLISECONDS, "Last packet of the interval; flow logs say whole seconds."
)
PADDING_OCTETS = InformationElement(
    210, "paddingOctets", DataType.OCTET_ARRAY, "Zeros that make messages equally long; to be ignored."
)
FIREWALL_EVENT = InformationElement(
    # Never 1 or 2: tools that know Cisco's event logs read them as opening and closing a connection.
    233, "firewallEvent", U8, "3 denied (REJECT), 5 update (ACCEPT).", IDENTIFIER,
)  # fmt: skip
VIRTUAL_STATION_INTERFACE_NAME = InformationElement(
    348, "virtualStationInterfaceName", DataType.STRING, "Id of the recording interface."
)
VIRTUAL_STATION_NAME = InformationElement(
    350, "virtualStationName", DataType.STRING, "Name of the recording interface's instance, else of the interface."
)

# ── options records ──
INTERFACE_NAME = InformationElement(82, "interfaceName", DataType.STRING, "Name of the interface.")
INTERFACE_DESCRIPTION = InformationElement(83, "interfaceDescription", DataType.STRING, "Text about the interface.")
EXPORTED_OCTET_TOTAL_COUNT = InformationElement(
    40, "exportedOctetTotalCount", U64, "Octets sent to this collector.", TOTAL, Units.OCTETS
)
EXPORTED_MESSAGE_TOTAL_COUNT = InformationElement(
    41, "exportedMessageTotalCount", U64, "Messages sent to this collector.", TOTAL
)
EXPORTED_FLOW_RECORD_TOTAL_COUNT = InformationElement(
    42, "exportedFlowRecordTotalCount", U64, "Flow records sent to this collector.", TOTAL, Units.FLOWS
)
EXPORTING_PROCESS_ID = InformationElement(144, "exportingProcessId", U32, "Always 1: an agent has one.", IDENTIFIER)
NOT_SENT_FLOW_TOTAL_COUNT = InformationElement(
    166, "notSentFlowTotalCount", U64, "Flow records this collector could not take in time.", TOTAL, Units.FLOWS
)
OBSERVATION_DOMAIN_ID = InformationElement(
    149, "observationDomainId", U32, "Observation domain the record speaks of.", IDENTIFIER
)
SELECTOR_ID = InformationElement(302, "selectorId", U64, "The selector the record speaks of.", IDENTIFIER)
INFORMATION_ELEMENT_ID = InformationElement(303, "informationElementId", U16, "Number of an element.", IDENTIFIER)
SELECTOR_ALGORITHM = InformationElement(304, "selectorAlgorithm", U16, "1: systematic count-based.", IDENTIFIER)
SAMPLING_PACKET_INTERVAL = InformationElement(
    305, "samplingPacketInterval", U32, "Packets selected in a row.", QUANTITY, Units.PACKETS
)
SAMPLING_PACKET_SPACE = InformationElement(
    306, "samplingPacketSpace", U32, "Packets left out between two selections.", QUANTITY, Units.PACKETS
)
ELEMENT_DATA_TYPE = InformationElement(339, "informationElementDataType", U8, "Type code of an element.")
ELEMENT_DESCRIPTION = InformationElement(
    340, "informationElementDescription", DataType.STRING, "Description of an element."
)
ELEMENT_NAME = InformationElement(341, "informationElementName", DataType.STRING, "Name of an element.")
ELEMENT_RANGE_BEGIN = InformationElement(
    342, "informationElementRangeBegin", U64, "Smallest value of an element.", QUANTITY
)
ELEMENT_RANGE_END = InformationElement(343, "informationElementRangeEnd", U64, "Largest value of an element.", QUANTITY)
ELEMENT_SEMANTICS = InformationElement(344, "informationElementSemantics", U8, "Semantics code of an element.")
ELEMENT_UNITS = InformationElement(345, "informationElementUnits", U16, "Unit code of an element.")
PRIVATE_ENTERPRISE_NUMBER = InformationElement(
    346, "privateEnterpriseNumber", U32, "Whose numbering an element belongs to.", IDENTIFIER
)

IANA_ELEMENTS: tuple[InformationElement, ...] = tuple(
    sorted(
        (value for value in list(globals().values()) if isinstance(value, InformationElement)),
        key=lambda element: element.number,
    )
)
"""All of the above, by number."""

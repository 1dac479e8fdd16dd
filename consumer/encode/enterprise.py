"""Our own elements, numbered from 1001 under the private enterprise number of the settings.

Belongs here: number, name, type, semantics, unit, range and description of each. Does not: which column fills it
(mapping.py). A number, once published, keeps its meaning for ever; a retired one is never given again.

Why these numbers: above 1000, because decoders blind to the enterprise bit (goflow 1, vflow) would take a low one for
IANA's; below 16384, because Telegraf reads bit 0x4000 as "reverse" (RFC 5103); dense and fewer than 256, because
pmacct keeps at most 256 elements a template in eight buckets of 32 by number modulo 8.

A null is sent so that nobody takes it for a value: a string is empty; an integer has the value its description
names; an address is the unspecified one (0.0.0.0 or ::).
"""

from __future__ import annotations

from consumer.encode.elements import DataType, InformationElement, Semantics, Units
from consumer.model.flow_path import DESCRIPTION as FLOW_PATH_DESCRIPTION
from consumer.model.flow_path import FlowPath

DESTINATION_OFFSET = 50
"""Numbers of what stands behind the destination = those of the source + 50."""


def _string(number: int, name: str, description: str) -> InformationElement:
    return InformationElement(number, name, DataType.STRING, description, is_enterprise=True)


def _octet(number: int, name: str, description: str, last: int) -> InformationElement:
    return InformationElement(
        number, name, DataType.UNSIGNED8, description, Semantics.IDENTIFIER,
        range_begin=0, range_end=last, is_enterprise=True,
    )  # fmt: skip


def _address(number: int, name: str, data_type: DataType, description: str) -> InformationElement:
    return InformationElement(number, name, data_type, description, is_enterprise=True)


def _lost(number: int, name: str, reason: str) -> InformationElement:
    return InformationElement(
        number, name, DataType.UNSIGNED64, f"Packets the transit gateway lost: {reason}. 2^64-1: not reported.",
        Semantics.DELTA_COUNTER, Units.PACKETS, range_begin=0, range_end=(1 << 64) - 1, is_enterprise=True,
    )  # fmt: skip


FIELD_ELEMENTS = (
    _octet(1001, "vpcFlowLogVersion", "Highest version among the fields of the record. 0: not reported.", 255),
    _string(1002, "awsAccountId", "Account that owns the recording interface or gateway."),
    _string(1003, "awsInterfaceId", "Elastic network interface that recorded the flow."),
    _string(1004, "vpcAction", "ACCEPT or REJECT."),
    _string(1005, "vpcLogStatus", "Logging status of the record; OK for every flow."),
    _string(1006, "vpcId", "VPC of the recording interface."),
    _string(1007, "vpcSubnetId", "Subnet of the recording interface."),
    _string(1008, "ec2InstanceId", "Instance of the recording interface."),
    _string(1009, "vpcTrafficType", "IPv4, IPv6 or EFA."),
    _address(1010, "pktSourceIPv4Address", DataType.IPV4_ADDRESS, "Source address in the packet itself."),
    _address(1011, "pktDestinationIPv4Address", DataType.IPV4_ADDRESS, "Destination address in the packet itself."),
    _address(1012, "pktSourceIPv6Address", DataType.IPV6_ADDRESS, "Source address in the packet itself."),
    _address(1013, "pktDestinationIPv6Address", DataType.IPV6_ADDRESS, "Destination address in the packet itself."),
    _string(1014, "awsRegion", "Region of the recording interface."),
    _string(1015, "awsAzId", "Availability zone id of the recording interface (use1-az1)."),
    _string(1016, "vpcSublocationType", "wavelength, outpost or localzone."),
    _string(1017, "vpcSublocationId", "Id of the sublocation."),
    _string(1018, "pktSourceAwsService", "AWS service behind the packet's source address."),
    _string(1019, "pktDestinationAwsService", "AWS service behind the packet's destination address."),
    _octet(
        1020,
        "vpcTrafficPath",
        "Way of egress traffic: 1 same VPC, 2 internet or gateway endpoint, 3 virtual private gateway, 4 peering in "
        "the region, 5 peering between regions, 6 local gateway, 7 gateway endpoint, 8 internet gateway. "
        "0: ingress or unknown.",
        255,
    ),
    _string(1021, "ecsClusterArn", "ECS cluster, ARN."),
    _string(1022, "ecsClusterName", "ECS cluster, name."),
    _string(1023, "ecsContainerInstanceArn", "ECS container instance, ARN."),
    _string(1024, "ecsContainerInstanceId", "ECS container instance, id."),
    _string(1025, "ecsContainerId", "Runtime id of the first container of the ECS task."),
    _string(1026, "ecsSecondContainerId", "Runtime id of the second container of the ECS task."),
    _string(1027, "ecsServiceName", "ECS service, name."),
    _string(1028, "ecsTaskDefinitionArn", "ECS task definition, ARN."),
    _string(1029, "ecsTaskArn", "ECS task, ARN."),
    _string(1030, "ecsTaskId", "ECS task, id."),
    _string(1031, "vpcRejectReason", "Why it was rejected: BPA (block public access), EC (encryption controls)."),
    _string(1032, "awsResourceId", "Resource that recorded the flow where there is no interface (NAT gateway)."),
    _octet(
        1033,
        "vpcEncryptionStatus",
        "0 clear, 1 Nitro, 2 application layer (inferred), 3 both. 255: not reported.",
        255,
    ),
    _string(1034, "ec2InstanceTag", "Value of the first chosen tag of the instance."),
    _string(1035, "ec2InstanceTag2", "Value of the second chosen tag of the instance."),
    _string(1036, "awsInterfaceTag", "Value of the first chosen tag of the interface."),
    _string(1037, "awsInterfaceTag2", "Value of the second chosen tag of the interface."),
    _string(1038, "asgTag", "Value of the first chosen tag of the Auto Scaling group."),
    _string(1039, "asgTag2", "Value of the second chosen tag of the Auto Scaling group."),
    _string(1040, "awsInterfaceType", "Kind of the recording interface (nat_gateway, vpc_endpoint, …)."),
    _string(1041, "nextHopInterfaceId", "Interface at the other end of the hop."),
    _string(1042, "nextHopSubnetId", "Subnet at the other end of the hop."),
    _string(1043, "nextHopAzId", "Availability zone id at the other end of the hop."),
    _string(1044, "nextHopVpcId", "VPC at the other end of the hop."),
    _string(1045, "nextHopInterfaceType", "Kind of the interface at the other end of the hop."),
    _string(1046, "otherFields", "Fields newer than this information model: name=value, separated by blanks."),
)


OBSERVED_ELEMENTS = (
    _string(1051, "observedInterfaceName", "Name of the recording interface."),
    _string(1052, "observedInstanceName", "Name of the recording interface's instance."),
    _string(1053, "observedSubnetName", "Name of the recording interface's subnet, else its id."),
    _string(1054, "observedVpcName", "Name of the recording interface's VPC, else its id."),
    _string(1055, "observedService", "AWS service the recording interface belongs to (NAT gateway, RDS, …)."),
    _octet(1056, "flowPath", FLOW_PATH_DESCRIPTION, max(FlowPath)),
    _string(1057, "observedOwner", "Owner tags, of your choice, of the recording interface."),
    _string(1058, "observedSite", "Site you gave the recording interface's network."),
    _string(1059, "observedGroup", "Auto Scaling group of the recording interface's instance."),
    _string(1060, "observedCluster", "EKS or ECS cluster of the recording interface."),
    _string(1047, "observedInstanceType", "Type of the recording interface's instance (m7g.large)."),
    _string(1048, "observedTags", "Tags you gave the recording interface's network."),
)

TRANSIT_GATEWAY_ELEMENTS = (
    _string(1061, "tgwResourceType", "TransitGateway or TransitGatewayAttachment."),
    _string(1062, "tgwId", "The transit gateway."),
    _string(1063, "tgwAttachmentId", "The recording attachment."),
    _string(1064, "tgwSourceVpcAccountId", "Owner of the source VPC."),
    _string(1065, "tgwDestinationVpcAccountId", "Owner of the destination VPC."),
    _string(1066, "tgwSourceVpcId", "Source VPC."),
    _string(1067, "tgwDestinationVpcId", "Destination VPC."),
    _string(1068, "tgwSourceSubnetId", "Subnet of the source attachment."),
    _string(1069, "tgwDestinationSubnetId", "Subnet of the destination attachment."),
    _string(1070, "tgwSourceInterfaceId", "Interface of the source attachment."),
    _string(1071, "tgwDestinationInterfaceId", "Interface of the destination attachment."),
    _string(1072, "tgwSourceAzId", "Availability zone id of the source attachment."),
    _string(1073, "tgwDestinationAzId", "Availability zone id of the destination attachment."),
    _string(1074, "tgwPairAttachmentId", "Attachment at the other side of the flow."),
    _lost(1075, "tgwPacketsLostNoRoute", "no route"),
    _lost(1076, "tgwPacketsLostBlackhole", "black hole route"),
    _lost(1077, "tgwPacketsLostMtuExceeded", "larger than the MTU"),
    _lost(1078, "tgwPacketsLostTtlExpired", "time to live expired"),
)

_ENDPOINT = (
    # number, name's end, description; `{}` is "source" or "destination"
    (1101, "Name", "Name of what stands behind the {} address."),
    (1102, "SubnetName", "Name of the {}'s subnet, else its id."),
    (1103, "VpcName", "Name of the {}'s VPC, else its id."),
    (1104, "Service", "AWS service the {} belongs to (NAT gateway, RDS, …; outside as in ip-ranges.json: S3, EC2, …)."),
    (1105, "AzId", "Availability zone id of the {}."),
    (1106, "InstanceId", "Instance behind the {} address."),
    (1107, "InterfaceId", "Elastic network interface that holds the {} address."),
    (1108, "SubnetId", "Subnet of the {}."),
    (1109, "VpcId", "VPC of the {}."),
    (1110, "AccountId", "Account that owns the {}'s interface."),
    (1111, "Region", "Region of the {}, also of AWS's public addresses."),
    (1112, "InstanceName", "Name of the instance behind the {} address."),
    (1113, "Owner", "Owner tags, of your choice, of the {}."),
    (1114, "Site", "Site you gave the {}'s network."),
    (1115, "Tags", "Tags you gave the {}'s network."),
    (1116, "Group", "Auto Scaling group of the {}'s instance."),
    (1117, "Cluster", "EKS or ECS cluster of the {}."),
)

ENDPOINT_ELEMENTS = tuple(
    _string(number + offset, side + end, description.format(side))
    for side, offset in (("source", 0), ("destination", DESTINATION_OFFSET))
    for number, end, description in _ENDPOINT
)

ENTERPRISE_ELEMENTS = tuple(
    sorted(
        FIELD_ELEMENTS + OBSERVED_ELEMENTS + TRANSIT_GATEWAY_ELEMENTS + ENDPOINT_ELEMENTS,
        key=lambda element: element.number,
    )
)
"""All of the above, by number."""

ENTERPRISE_BY_NUMBER = {element.number: element for element in ENTERPRISE_ELEMENTS}

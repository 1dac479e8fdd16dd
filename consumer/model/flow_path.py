"""The way a flow takes between its two ends, as one small number.

Belongs here: the numbers and what they mean. Does not: finding the way of a record (enrich/kernels.py) or of a route
(discovery/inventory/routing.py). Numbers are sent (element flowPath), so one, once published, keeps its meaning for
ever.
"""

from __future__ import annotations

from enum import IntEnum


class FlowPath(IntEnum):
    """Which kind of next hop stands between the recording interface and the other end."""

    UNKNOWN = 0
    SAME_VPC = 1
    PEERING = 2
    TRANSIT_GATEWAY = 3
    NAT_GATEWAY = 4
    INTERNET_GATEWAY = 5
    """Internet, egress-only or carrier gateway."""
    GATEWAY_ENDPOINT = 6
    INTERFACE_ENDPOINT = 7
    VPN = 8
    """Site-to-Site VPN or Direct Connect, by a virtual private gateway or behind a transit gateway."""
    LOCAL_GATEWAY = 9
    INTERNET_OR_ENDPOINT = 10
    """The record says only that it was one of the two (traffic-path 2), and no route table tells which."""
    APPLIANCE = 11
    """An interface, instance or Gateway Load Balancer endpoint that routes point at."""
    CORE_NETWORK = 12


DESCRIPTION = (
    "Way of the flow: 1 same VPC, 2 VPC peering, 3 transit gateway, 4 NAT gateway, 5 internet gateway, 6 gateway "
    "endpoint, 7 interface endpoint, 8 VPN or Direct Connect, 9 local gateway, 10 internet gateway or gateway "
    "endpoint, 11 appliance, 12 Cloud WAN. 0: unknown."
)
"""What the element says of its values."""

BY_TRAFFIC_PATH = {
    3: FlowPath.VPN,
    4: FlowPath.PEERING,
    5: FlowPath.PEERING,
    6: FlowPath.LOCAL_GATEWAY,
    7: FlowPath.GATEWAY_ENDPOINT,
    8: FlowPath.INTERNET_GATEWAY,
}
"""Values of the field traffic-path that leave no doubt; 1 (anything in the VPC) and 2 do (VPC user guide, "Available
fields"). enrich/kernels.py spells the same; a test holds both to each other."""

BY_INTERFACE_TYPE = {
    b"nat_gateway": FlowPath.NAT_GATEWAY,
    b"natGateway": FlowPath.NAT_GATEWAY,
    b"regional_nat_gateway": FlowPath.NAT_GATEWAY,
    b"transit_gateway": FlowPath.TRANSIT_GATEWAY,
    b"vpc_endpoint": FlowPath.INTERFACE_ENDPOINT,
    b"gateway_load_balancer_endpoint": FlowPath.APPLIANCE,
}
"""Kinds of interface that tell the way, in the spellings of the fields interface-type and next-hop-interface-type."""

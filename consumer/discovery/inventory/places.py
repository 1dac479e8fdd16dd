"""What a row of the inventory says: the columns, and where each word of it comes from.

Belongs here: names, owners, groups and clusters out of tags. Pure. Does not: numbering rows (rows.py), services
(service.py). Only tags that some column needs are kept when an estate is read: an estate has millions of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from consumer.model.flow_path import FlowPath


class Place(NamedTuple):
    """One row of the tables: what an address or an interface stands for. Empty = unknown or does not apply.

    `owner`: the owner tags that the settings name. `site`, `tags`: the user's own words. `group`: Auto Scaling group.
    `cluster`: EKS or ECS cluster.
    """

    interface_id: str = ""
    name: str = ""
    instance_id: str = ""
    instance_name: str = ""
    instance_type: str = ""
    subnet_id: str = ""
    subnet_name: str = ""
    vpc_id: str = ""
    vpc_name: str = ""
    account_id: str = ""
    region: str = ""
    az_id: str = ""
    service: str = ""
    owner: str = ""
    site: str = ""
    tags: str = ""
    group: str = ""
    cluster: str = ""


COLUMNS = Place._fields

GROUP_TAG = "aws:autoscaling:groupName"
CLUSTER_TAGS = (
    "aws:eks:cluster-name",
    "eks:cluster-name",
    "alpha.eksctl.io/cluster-name",
    "cluster.k8s.amazonaws.com/name",
    "aws:ecs:clusterName",
)
"""Tags that AWS and its controllers put on instances and interfaces of a cluster, most telling first."""
CLUSTER_TAG_PREFIX = "kubernetes.io/cluster/"
"""Here the cluster's name is in the key."""

_WAYS = {
    "NAT Gateway": FlowPath.NAT_GATEWAY,
    "Transit Gateway": FlowPath.TRANSIT_GATEWAY,
    "VPC Endpoint": FlowPath.INTERFACE_ENDPOINT,
    "GWLB Endpoint": FlowPath.APPLIANCE,
    "Network Firewall": FlowPath.APPLIANCE,
}
"""Beginning of a service → way of flows that meet its interface."""


def path_through(service: str) -> FlowPath:
    """The way of a flow that one of this service's interfaces recorded, or that leads to one; UNKNOWN = no next hop."""
    return next((way for start, way in _WAYS.items() if service.startswith(start)), FlowPath.UNKNOWN)


def is_kept(key: str, wanted: Iterable[str]) -> bool:
    """Whether a tag is worth remembering. `wanted`: keys that the settings or the service table name."""
    return key in wanted or key in CLUSTER_TAGS or key in ("Name", GROUP_TAG) or key.startswith(CLUSTER_TAG_PREFIX)


def owner_of(keys: Sequence[str], *tags: Mapping[str, str]) -> str:
    """The owner tags of a thing: each key where it is found first. One key: its value; more: `Key=value Key=value`."""
    found = {key: value for key in keys if (value := next((one[key] for one in tags if one.get(key)), ""))}
    if len(keys) == 1:
        return next(iter(found.values()), "")
    return " ".join(f"{key}={value}" for key, value in found.items())


def cluster_of(*tags: Mapping[str, str]) -> str:
    """The EKS or ECS cluster that the first telling tags name."""
    for one in tags:
        for key in CLUSTER_TAGS:
            if one.get(key):
                return one[key]
        for key in one:
            if key.startswith(CLUSTER_TAG_PREFIX):
                return key.removeprefix(CLUSTER_TAG_PREFIX)
    return ""


def group_of(*tags: Mapping[str, str]) -> str:
    """The Auto Scaling group."""
    return next((one[GROUP_TAG] for one in tags if one.get(GROUP_TAG)), "")


def service_name(full: str) -> str:
    """The telling end of an endpoint's service name: `s3` of com.amazonaws.eu-west-1.s3, `vpce-svc-…` of one's own."""
    parts = full.split(".")
    if "vpce-svc-" in full:
        return next(part for part in parts if part.startswith("vpce-svc-"))
    is_amazon = len(parts) > 3 and "amazonaws" in parts[:3]
    if not is_amazon:
        return full
    return ".".join(parts[parts.index("amazonaws") + 2 :])

"""What both ends of a flow get: owners, clusters, the user's own words, AWS's services outside."""

from __future__ import annotations

import pytest

from consumer.discovery.estate.routes import ElasticAddress
from consumer.discovery.estate.values import Instance, Part, Peer, Peering, Subnet, Vpc
from consumer.discovery.inventory.aws_ranges import AwsRange
from consumer.discovery.inventory.own_names import NamedNetwork
from consumer.discovery.inventory.places import cluster_of, group_of, is_kept, owner_of, service_name
from consumer.discovery.inventory.rows import Knowledge
from consumer.enrich.join import Joiner
from tests.support.flows import all_rows, flow_batch, interface, inventory_of

OWNER = "111111111111"
PART = Part(
    OWNER,
    "us-east-1",
    0.0,
    vpcs=(
        Vpc("vpc-1", "shop", OWNER, ("10.0.0.0/16",), tags={"Owner": "network"}),
        Vpc("vpc-2", "other", OWNER, ("10.0.0.0/16",)),
    ),
    subnets=(Subnet("subnet-1", "a", "vpc-1", "use1-az1", ("10.0.1.0/24",), tags={"Owner": "web team"}),),
    interfaces=(
        interface("eni-1", "vpc-1", "10.0.1.1", subnet_id="subnet-1", instance_id="i-1"),
        interface("eni-2", "vpc-1", "10.0.1.2", subnet_id="subnet-1", name="own", tags={"Owner": "ann"}),
        interface("eni-3", "vpc-1", "10.0.3.3", public_addresses=("198.51.100.3",)),
        interface("eni-4", "vpc-2", "10.0.1.1"),
    ),
    instances=(
        Instance(
            "i-1",
            "web-1",
            "m7g.large",
            {"Team": "blue", "aws:autoscaling:groupName": "web", "kubernetes.io/cluster/shop": "owned"},
        ),
    ),
    elastic_addresses=(
        ElasticAddress("eipalloc-1", "spare", "198.51.100.1", "", ""),
        ElasticAddress("eipalloc-3", "front door", "198.51.100.3", "eni-3", ""),
    ),
    peerings=(
        Peering(
            "pcx-1",
            (
                Peer("vpc-1", OWNER, "us-east-1", ("10.0.0.0/16",)),
                Peer("vpc-f", "999999999999", "us-east-1", ("10.9.0.0/16",)),
            ),
        ),
    ),
)
RANGES = (
    AwsRange("3.5.0.0/16", "S3", "us-east-1"),
    AwsRange("3.0.0.0/8", "AMAZON", "GLOBAL"),
    AwsRange("2600:1f18::/36", "EC2", "us-east-1"),
)


def end(address: str, observer: str = "eni-1", **knowledge: object) -> dict[str, str]:
    """Non-empty columns of what stands behind an address."""
    inventory = inventory_of(PART, knowledge=Knowledge(**knowledge))  # type: ignore[arg-type]
    batch = flow_batch([{"interface-id": observer, "dstaddr": address}])
    joined = Joiner().join(batch, all_rows(batch), inventory)
    row = int(joined.words[0, joined.columns["destination"].word])
    table = joined.tables["endpoint"]
    return {name: text.decode() for name in table.strings if (text := table.text(name, row))}


@pytest.mark.parametrize(
    ("address", "owner"),
    [("10.0.1.2", "ann"), ("10.0.1.1", "web team"), ("10.0.3.3", "network"), ("10.0.1.77", "web team")],
    ids=["the interface's", "the subnet's", "the VPC's", "an address nobody claims"],
)
def test_the_owner_is_taken_from_the_interface_else_from_what_it_lies_in(address: str, owner: str) -> None:
    assert end(address, owner_tags=("Owner",))["owner"] == owner
    assert "owner" not in end(address)


def test_several_owner_tags_are_told_apart_and_an_instances_beat_its_subnets() -> None:
    assert end("10.0.1.1", owner_tags=("Team", "Owner"))["owner"] == "Team=blue Owner=web team"
    assert owner_of(("a", "b"), {"b": "1"}, {"a": "", "b": "2"}) == "b=1"


def test_an_instance_brings_its_type_group_and_cluster() -> None:
    found = end("10.0.1.1")

    assert [found[name] for name in ("instance_name", "instance_type", "group", "cluster")] == [
        "web-1", "m7g.large", "web", "shop",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("tags", "cluster"),
    [
        ({"eks:cluster-name": "a", "kubernetes.io/cluster/b": "owned"}, "a"),
        ({"aws:ecs:clusterName": "c"}, "c"),
        ({"Name": "x"}, ""),
    ],
    ids=["eks", "ecs", "none"],
)
def test_a_cluster_is_read_from_the_tags_that_aws_and_its_controllers_set(tags: dict[str, str], cluster: str) -> None:
    assert cluster_of({}, tags) == cluster
    assert group_of(tags) == ""


def test_only_tags_that_something_is_made_of_are_kept() -> None:
    keys = ("Name", "Owner", "kubernetes.io/cluster/x", "aws:autoscaling:groupName", "cost-center")

    assert [key for key in keys if is_kept(key, {"Owner"})] == list(keys[:4])


@pytest.mark.parametrize(
    ("full", "short"),
    [
        ("com.amazonaws.eu-west-1.s3", "s3"),
        ("com.amazonaws.us-east-1.ecr.dkr", "ecr.dkr"),
        ("cn.com.amazonaws.cn-north-1.sts", "sts"),
        ("com.amazonaws.vpce.us-east-1.vpce-svc-0123", "vpce-svc-0123"),
        ("com.example.service", "com.example.service"),
        ("aws.sagemaker.us-east-1.notebook", "aws.sagemaker.us-east-1.notebook"),
    ],
)
def test_an_endpoints_service_is_called_by_its_telling_end(full: str, short: str) -> None:
    assert service_name(full) == short


def test_an_elastic_ip_is_known_in_use_or_not() -> None:
    assert end("198.51.100.1") == {
        "name": "spare", "account_id": OWNER, "region": "us-east-1", "service": "Elastic IP",
    }  # fmt: skip
    assert (end("198.51.100.3", "eni-4")["interface_id"], end("198.51.100.3")["name"]) == ("eni-3", "front door")


def test_an_address_of_aws_outside_gets_service_and_region_of_its_longest_range() -> None:
    assert end("3.5.1.1", ranges=RANGES) == {"service": "S3", "region": "us-east-1"}
    assert end("3.9.1.1", ranges=RANGES) == {"service": "AMAZON"}
    assert end("2600:1f18::1", ranges=RANGES) == {"service": "EC2", "region": "us-east-1"}
    assert end("4.0.0.1", ranges=RANGES) == {}
    assert end("3.5.1.1") == {}


def test_the_users_names_fill_in_outside_and_inside_and_beat_the_ranges_of_aws() -> None:
    names = (
        NamedNetwork("3.5.1.0/24", "lake", "Berlin", "tier=1"),
        NamedNetwork("10.0.0.0/8", site="cloud"),
        NamedNetwork("10.9.7.0/24", "partner"),
        NamedNetwork("10.0.1.64/26", "pods"),
    )

    assert end("3.5.1.1", names=names, ranges=RANGES) == {"name": "lake", "site": "Berlin", "tags": "tier=1"}
    own = end("10.0.1.2", names=names)
    assert (own["name"], own["site"]) == ("own", "cloud"), "AWS's own name stays"
    foreign = end("10.9.7.1", names=names)
    assert (foreign["name"], foreign["vpc_id"]) == ("partner", "vpc-f")
    pods = end("10.0.1.70", names=names)
    assert (pods["name"], pods["subnet_id"]) == ("pods", "subnet-1")
    assert end("10.77.0.1", names=names) == {"site": "cloud"}


def test_a_name_limited_to_a_vpc_or_account_holds_nowhere_else() -> None:
    names = (
        NamedNetwork("10.0.0.0/16", site="one", vpc="vpc-1"),
        NamedNetwork("10.0.0.0/16", site="two", vpc="vpc-2"),
        NamedNetwork("192.0.2.0/24", site="mine", vpc="vpc-1"),
        NamedNetwork("10.9.0.0/16", site="theirs", account="999999999999"),
    )

    assert [end("10.0.1.1", one, names=names)["site"] for one in ("eni-1", "eni-4")] == ["one", "two"]
    assert end("192.0.2.1", names=names) == {"site": "mine"}
    assert end("192.0.2.1", "eni-4", names=names) == {}
    assert end("10.9.0.1", names=names)["site"] == "theirs"

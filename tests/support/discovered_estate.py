"""The demo's network with every way out of a log group: a stream, a destination, a bucket with a queue, nothing."""

from __future__ import annotations

from dataclasses import dataclass

import boto3

from consumer.demo.network import LOG_GROUP, Network
from consumer.demo.seeding import seed_network

REGION = "us-east-1"


@dataclass(frozen=True)
class DiscoveredEstate:
    """`stream`, `queue`: ARNs. `subnet_log`: a second flow log, of a subnet whose VPC is logged. `bare_vpc`: in use
    and without a flow log."""

    network: Network
    stream: str
    queue: str
    subnet_log: str
    bare_vpc: str
    transit_gateway: str


def seed_estate(endpoint: str) -> DiscoveredEstate:
    """Make it in the emulator at `endpoint`."""
    network = seed_network(endpoint)
    own = boto3.Session("demo", "demo", region_name=REGION)
    kinesis = own.client("kinesis", endpoint_url=endpoint)
    kinesis.create_stream(StreamName="flow", ShardCount=2)
    stream = kinesis.describe_stream_summary(StreamName="flow")["StreamDescriptionSummary"]["StreamARN"]
    kinesis.register_stream_consumer(StreamARN=stream, ConsumerName="somebody")
    own.client("logs", endpoint_url=endpoint).put_subscription_filter(
        logGroupName=LOG_GROUP, filterName="to-stream", filterPattern="", destinationArn=stream
    )
    sqs = own.client("sqs", endpoint_url=endpoint)
    url = sqs.create_queue(QueueName="news")["QueueUrl"]
    queue = str(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"])
    s3 = own.client("s3", endpoint_url=endpoint)
    s3.create_bucket(Bucket="lake")
    s3.put_bucket_notification_configuration(
        Bucket="lake",
        NotificationConfiguration={"QueueConfigurations": [{"QueueArn": queue, "Events": ["s3:ObjectCreated:*"]}]},
    )
    ec2 = own.client("ec2", endpoint_url=endpoint)
    web = network.host("web-1")
    subnet_log = ec2.create_flow_logs(
        ResourceIds=[web.subnet_id],
        ResourceType="Subnet",
        TrafficType="ALL",
        LogDestinationType="s3",
        LogDestination="arn:aws:s3:::lake",
    )["FlowLogIds"][0]
    bare = ec2.create_vpc(CidrBlock="10.99.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=bare, CidrBlock="10.99.1.0/24")["Subnet"]["SubnetId"]
    ec2.create_network_interface(SubnetId=subnet)
    gateway = ec2.create_transit_gateway()["TransitGateway"]["TransitGatewayId"]
    ec2.create_transit_gateway_vpc_attachment(TransitGatewayId=gateway, VpcId=bare, SubnetIds=[subnet])
    return DiscoveredEstate(network, stream, queue, subnet_log, bare, gateway)

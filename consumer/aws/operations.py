"""The one table of AWS operations we may call: what each is for and the policy line that allows it.

Belongs here: the table, and what follows from it. Does not: calling (sessions.py, paging.py). A call that is not
here raises before it leaves the machine, and a test compares this table with the policies we publish, so nobody has
to grant what we do not use. Actions are IAM's names; they differ from the operation's for a few services only.
Resources use {partition}, {region}, {account}; ec2:Describe* knows no resource scoping (IAM service reference).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Feature(StrEnum):
    """What the user loses when a permission is missing."""

    IDENTITY = "knowing which account the credentials belong to"
    MEMBER_ACCOUNTS = "reading further accounts through roles"
    NAMES = "names of interfaces, instances, subnets and VPCs"
    NAT_NAMES = "names of NAT gateways"
    PEERING = "names of addresses in peered VPCs"
    FAN_OUT = "listing and removing enhanced fan-out consumers"
    STREAM_READING = "reading flow logs from Kinesis"
    LEASES = "keeping the leases and checkpoints of Kinesis, in our own account"
    REGIONS = "finding the regions that an account uses"
    FLOW_LOGS = "finding flow logs and their formats"
    SUBSCRIPTIONS = "finding the streams that log groups are subscribed to"
    STREAMS = "showing streams with their shards and consumers"
    BUCKETS = "finding the queues of buckets"
    QUEUES = "showing how much waits in a queue"
    OBJECTS = "reading flow log objects from S3"
    MISSING_OBJECTS = "telling an object that is gone from one that is denied"
    OBJECT_REMOVAL = "deleting objects after they are exported"
    MESSAGES = "being told of new flow log objects"
    LOG_GROUP_READING = "reading flow logs by polling log groups"
    LOG_GROUP_CLASS = "saying that a log group's class cannot be read"
    FLEET = "sharing log groups and slots among agents, in our own account"
    STACKS = "recognising the stacks of our templates"
    TRANSIT_GATEWAYS = "showing transit gateways, and names of addresses behind them"
    TRANSIT_GATEWAY_ROUTES = "names of addresses behind transit gateways; only a gateway's owner can see its routes"
    ROUTES = "the way of a flow (NAT, internet gateway, transit gateway, endpoint, VPN)"
    ENDPOINTS = "names of VPC endpoints, and telling gateway endpoints from the internet"
    ELASTIC_ADDRESSES = "names of Elastic IPs that no interface tells of"


class Part(StrEnum):
    """A block of permissions that is granted as one: each has its policy in cloudformation/, named after it."""

    HOME = "what the agent keeps in its own account, and the roles it takes"
    METRICS = "metrics of the KCL in CloudWatch"
    DISCOVERY = "finding flow logs and where they go"
    METADATA = "names"
    LOG_GROUPS = "log groups"
    STREAMS = "Kinesis streams"
    OBJECTS = "buckets and their queues"
    REMOVAL = "deleting objects after they were exported"
    KEYS = "whatever is encrypted with a key of your own"


@dataclass(frozen=True, slots=True)
class Operation:
    """One API operation. `items`: key of the list in the answer (paged); empty = the answer is one thing.

    `page_size`: the most one page may hold (API references); 0 = nobody can choose it. `iam_name`: where IAM calls the
    action otherwise. `is_paced`: who calls it has a budget (sources/cloudwatch/budget.py), so a call goes out once and
    botocore neither repeats nor delays it. What it repeats would go beyond the budget; its delays are those of all
    groups.
    """

    service: str
    name: str
    feature: Feature
    items: str = ""
    resource: str = "*"
    page_size: int = 1000
    iam_name: str = ""
    is_paced: bool = False

    @property
    def action(self) -> str:
        """IAM action, `ec2:DescribeVpcs`."""
        return f"{self.service}:{self.iam_name or self.name}"

    def policy_line(self, resource: str = "", partition: str = "*") -> str:
        """What a policy must hold for the call to pass. `resource`: its ARN or name, where the caller knows the very
        one: whoever pastes the line should not allow more."""
        known = resource if resource.startswith("arn:") else self._narrowed(resource)
        return f'"Action": "{self.action}", "Resource": "{_filled(known, partition)}"'

    def _narrowed(self, name: str) -> str:
        if not name or self.service not in _NAMED or ":" not in self.resource:
            return self.resource
        return self.resource.replace("*", name.rpartition("/")[2], 1)


_NAMED = frozenset({"s3", "sqs", "dynamodb"})
"""Services whose calls name a bucket, a queue (by its URL) or a table: the first `*` of the operation's resource."""


def _filled(resource: str, partition: str) -> str:
    """As a policy may hold it: any account and region is what the policy's own account has."""
    return resource.replace("{partition}", partition).replace("{region}", "*").replace("{account}", "*")


_STREAM = "arn:{partition}:kinesis:{region}:{account}:stream/*"
_LEASE_TABLE = "arn:{partition}:dynamodb:{region}:{account}:table/*"
_LOG_GROUP = "arn:{partition}:logs:{region}:{account}:log-group:*"
_BUCKET = "arn:{partition}:s3:::*"
_OBJECT = "arn:{partition}:s3:::*/*"
_QUEUE = "arn:{partition}:sqs:{region}:{account}:*"

GET_CALLER_IDENTITY = Operation("sts", "GetCallerIdentity", Feature.IDENTITY)
ASSUME_ROLE = Operation("sts", "AssumeRole", Feature.MEMBER_ACCOUNTS, resource="arn:{partition}:iam::{account}:role/*")
DESCRIBE_NETWORK_INTERFACES = Operation("ec2", "DescribeNetworkInterfaces", Feature.NAMES, "NetworkInterfaces")
DESCRIBE_INSTANCES = Operation("ec2", "DescribeInstances", Feature.NAMES, "Reservations")
DESCRIBE_VPCS = Operation("ec2", "DescribeVpcs", Feature.NAMES, "Vpcs")
DESCRIBE_SUBNETS = Operation("ec2", "DescribeSubnets", Feature.NAMES, "Subnets")
DESCRIBE_NAT_GATEWAYS = Operation("ec2", "DescribeNatGateways", Feature.NAT_NAMES, "NatGateways")
DESCRIBE_VPC_PEERING_CONNECTIONS = Operation(
    "ec2", "DescribeVpcPeeringConnections", Feature.PEERING, "VpcPeeringConnections"
)
DESCRIBE_REGIONS = Operation("ec2", "DescribeRegions", Feature.REGIONS)
DESCRIBE_FLOW_LOGS = Operation("ec2", "DescribeFlowLogs", Feature.FLOW_LOGS, "FlowLogs")
DESCRIBE_TRANSIT_GATEWAYS = Operation("ec2", "DescribeTransitGateways", Feature.TRANSIT_GATEWAYS, "TransitGateways")
DESCRIBE_TRANSIT_GATEWAY_ATTACHMENTS = Operation(
    "ec2", "DescribeTransitGatewayAttachments", Feature.TRANSIT_GATEWAYS, "TransitGatewayAttachments"
)
DESCRIBE_TRANSIT_GATEWAY_PEERING_ATTACHMENTS = Operation(
    "ec2",
    "DescribeTransitGatewayPeeringAttachments",
    Feature.TRANSIT_GATEWAY_ROUTES,
    "TransitGatewayPeeringAttachments",
)
DESCRIBE_ROUTE_TABLES = Operation("ec2", "DescribeRouteTables", Feature.ROUTES, "RouteTables", page_size=100)
DESCRIBE_VPC_ENDPOINTS = Operation("ec2", "DescribeVpcEndpoints", Feature.ENDPOINTS, "VpcEndpoints")
DESCRIBE_ADDRESSES = Operation("ec2", "DescribeAddresses", Feature.ELASTIC_ADDRESSES)
DESCRIBE_TRANSIT_GATEWAY_ROUTE_TABLES = Operation(
    "ec2", "DescribeTransitGatewayRouteTables", Feature.TRANSIT_GATEWAY_ROUTES, "TransitGatewayRouteTables"
)
SEARCH_TRANSIT_GATEWAY_ROUTES = Operation(
    "ec2", "SearchTransitGatewayRoutes", Feature.TRANSIT_GATEWAY_ROUTES, "Routes", page_size=0
)
GET_MANAGED_PREFIX_LIST_ENTRIES = Operation(
    "ec2",
    "GetManagedPrefixListEntries",
    Feature.ROUTES,
    "Entries",
    "arn:{partition}:ec2:{region}:*:prefix-list/*",
    page_size=100,
)
DESCRIBE_SUBSCRIPTION_FILTERS = Operation(
    "logs", "DescribeSubscriptionFilters", Feature.SUBSCRIPTIONS, "subscriptionFilters", _LOG_GROUP, page_size=50
)
DESCRIBE_DESTINATIONS = Operation(
    "logs",
    "DescribeDestinations",
    Feature.SUBSCRIPTIONS,
    "destinations",
    page_size=50,
)
FILTER_LOG_EVENTS = Operation("logs", "FilterLogEvents", Feature.LOG_GROUP_READING, resource=_LOG_GROUP, is_paced=True)
GET_LOG_EVENTS = Operation("logs", "GetLogEvents", Feature.LOG_GROUP_READING, resource=_LOG_GROUP, is_paced=True)
DESCRIBE_LOG_STREAMS = Operation(
    "logs", "DescribeLogStreams", Feature.LOG_GROUP_READING, "logStreams", _LOG_GROUP, page_size=50
)
DESCRIBE_LOG_GROUPS = Operation(
    "logs", "DescribeLogGroups", Feature.LOG_GROUP_CLASS, "logGroups", _LOG_GROUP, page_size=50
)
DESCRIBE_ACCOUNT_POLICIES = Operation("logs", "DescribeAccountPolicies", Feature.SUBSCRIPTIONS)
"""Subscriptions of a whole account. One answer: an account has one policy of this type (CloudWatch Logs quotas)."""
DESCRIBE_STACKS = Operation(
    "cloudformation",
    "DescribeStacks",
    Feature.STACKS,
    "Stacks",
    "arn:{partition}:cloudformation:{region}:{account}:stack/*",
)
GET_BUCKET_NOTIFICATION = Operation(
    "s3",
    "GetBucketNotificationConfiguration",
    Feature.BUCKETS,
    resource=_BUCKET,
    iam_name="GetBucketNotification",
)
GET_BUCKET_LOCATION = Operation("s3", "GetBucketLocation", Feature.BUCKETS, resource=_BUCKET)
LIST_SUBSCRIPTIONS_BY_TOPIC = Operation(
    "sns",
    "ListSubscriptionsByTopic",
    Feature.BUCKETS,
    "Subscriptions",
    "arn:{partition}:sns:{region}:{account}:*",
    page_size=0,
)
GET_QUEUE_URL = Operation("sqs", "GetQueueUrl", Feature.QUEUES, resource=_QUEUE)
GET_QUEUE_ATTRIBUTES = Operation("sqs", "GetQueueAttributes", Feature.QUEUES, resource=_QUEUE)
RECEIVE_MESSAGE = Operation("sqs", "ReceiveMessage", Feature.MESSAGES, resource=_QUEUE)
DELETE_MESSAGE = Operation("sqs", "DeleteMessageBatch", Feature.MESSAGES, resource=_QUEUE, iam_name="DeleteMessage")
CHANGE_MESSAGE_VISIBILITY = Operation(
    "sqs", "ChangeMessageVisibilityBatch", Feature.MESSAGES, resource=_QUEUE, iam_name="ChangeMessageVisibility"
)
GET_OBJECT = Operation("s3", "GetObject", Feature.OBJECTS, resource=_OBJECT)
LIST_OBJECTS = Operation(
    "s3", "ListObjectsV2", Feature.MISSING_OBJECTS, "Contents", resource=_BUCKET, iam_name="ListBucket"
)
GET_BUCKET_VERSIONING = Operation("s3", "GetBucketVersioning", Feature.OBJECT_REMOVAL, resource=_BUCKET)
DELETE_OBJECT = Operation("s3", "DeleteObject", Feature.OBJECT_REMOVAL, resource=_OBJECT)
DESCRIBE_STREAM_SUMMARY = Operation("kinesis", "DescribeStreamSummary", Feature.STREAMS, resource=_STREAM)
LIST_STREAM_CONSUMERS = Operation(
    "kinesis", "ListStreamConsumers", Feature.STREAMS, "Consumers", resource=_STREAM, page_size=100
)
LIST_SHARDS = Operation("kinesis", "ListShards", Feature.STREAM_READING, "Shards", resource=_STREAM)
GET_SHARD_ITERATOR = Operation("kinesis", "GetShardIterator", Feature.STREAM_READING, resource=_STREAM)
GET_RECORDS = Operation("kinesis", "GetRecords", Feature.STREAM_READING, resource=_STREAM)
DESCRIBE_TABLE = Operation("dynamodb", "DescribeTable", Feature.LEASES, resource=_LEASE_TABLE)
SCAN = Operation("dynamodb", "Scan", Feature.LEASES, resource=_LEASE_TABLE)
GET_ITEM = Operation("dynamodb", "GetItem", Feature.LEASES, resource=_LEASE_TABLE)
PUT_ITEM = Operation("dynamodb", "PutItem", Feature.LEASES, resource=_LEASE_TABLE)
UPDATE_ITEM = Operation("dynamodb", "UpdateItem", Feature.LEASES, resource=_LEASE_TABLE)
DELETE_ITEM = Operation("dynamodb", "DeleteItem", Feature.LEASES, resource=_LEASE_TABLE)
CREATE_TABLE = Operation("dynamodb", "CreateTable", Feature.FLEET, resource=_LEASE_TABLE)
QUERY = Operation("dynamodb", "Query", Feature.FLEET, resource=_LEASE_TABLE)
DEREGISTER_STREAM_CONSUMER = Operation(
    "kinesis", "DeregisterStreamConsumer", Feature.FAN_OUT, resource=f"{_STREAM}/consumer/*"
)

OPERATIONS = (
    GET_CALLER_IDENTITY,
    ASSUME_ROLE,
    DESCRIBE_NETWORK_INTERFACES,
    DESCRIBE_INSTANCES,
    DESCRIBE_VPCS,
    DESCRIBE_SUBNETS,
    DESCRIBE_NAT_GATEWAYS,
    DESCRIBE_VPC_PEERING_CONNECTIONS,
    DESCRIBE_REGIONS,
    DESCRIBE_FLOW_LOGS,
    DESCRIBE_TRANSIT_GATEWAYS,
    DESCRIBE_TRANSIT_GATEWAY_ATTACHMENTS,
    DESCRIBE_TRANSIT_GATEWAY_PEERING_ATTACHMENTS,
    DESCRIBE_ROUTE_TABLES,
    DESCRIBE_VPC_ENDPOINTS,
    DESCRIBE_ADDRESSES,
    DESCRIBE_TRANSIT_GATEWAY_ROUTE_TABLES,
    SEARCH_TRANSIT_GATEWAY_ROUTES,
    GET_MANAGED_PREFIX_LIST_ENTRIES,
    DESCRIBE_SUBSCRIPTION_FILTERS,
    DESCRIBE_DESTINATIONS,
    DESCRIBE_ACCOUNT_POLICIES,
    DESCRIBE_STACKS,
    GET_BUCKET_NOTIFICATION,
    GET_BUCKET_LOCATION,
    LIST_SUBSCRIPTIONS_BY_TOPIC,
    GET_QUEUE_URL,
    GET_QUEUE_ATTRIBUTES,
    RECEIVE_MESSAGE,
    DELETE_MESSAGE,
    CHANGE_MESSAGE_VISIBILITY,
    GET_OBJECT,
    LIST_OBJECTS,
    GET_BUCKET_VERSIONING,
    DELETE_OBJECT,
    DESCRIBE_STREAM_SUMMARY,
    LIST_STREAM_CONSUMERS,
    DEREGISTER_STREAM_CONSUMER,
    LIST_SHARDS,
    GET_SHARD_ITERATOR,
    GET_RECORDS,
    DESCRIBE_TABLE,
    SCAN,
    GET_ITEM,
    PUT_ITEM,
    UPDATE_ITEM,
    DELETE_ITEM,
    CREATE_TABLE,
    QUERY,
    FILTER_LOG_EVENTS,
    GET_LOG_EVENTS,
    DESCRIBE_LOG_STREAMS,
    DESCRIBE_LOG_GROUPS,
)

BY_NAME = {(operation.service, operation.name): operation for operation in OPERATIONS}

PARTS = {
    Part.HOME: (Feature.MEMBER_ACCOUNTS, Feature.LEASES, Feature.FLEET),
    Part.DISCOVERY: (Feature.REGIONS, Feature.FLOW_LOGS, Feature.SUBSCRIPTIONS, Feature.STACKS),
    Part.METADATA: (
        Feature.NAMES,
        Feature.NAT_NAMES,
        Feature.PEERING,
        Feature.TRANSIT_GATEWAYS,
        Feature.TRANSIT_GATEWAY_ROUTES,
        Feature.ROUTES,
        Feature.ENDPOINTS,
        Feature.ELASTIC_ADDRESSES,
    ),
    Part.LOG_GROUPS: (Feature.LOG_GROUP_READING, Feature.LOG_GROUP_CLASS),
    Part.STREAMS: (Feature.STREAMS, Feature.STREAM_READING, Feature.FAN_OUT),
    Part.OBJECTS: (Feature.BUCKETS, Feature.QUEUES, Feature.MESSAGES, Feature.OBJECTS, Feature.MISSING_OBJECTS),
    Part.REMOVAL: (Feature.OBJECT_REMOVAL,),
}
"""What is granted together. Every feature is in one part, but for IDENTITY: GetCallerIdentity needs no permission."""

FURTHER_ACTIONS = {
    # The KCL calls these itself, from its JVM (KCL developer guide, "IAM permissions", and its source at 3.5).
    Part.STREAMS: (
        "kinesis:DescribeStream",
        "kinesis:DescribeStreamSummary",
        "kinesis:ListShards",
        "kinesis:GetShardIterator",
        "kinesis:GetRecords",
        "kinesis:RegisterStreamConsumer",
        "kinesis:DescribeStreamConsumer",
        "kinesis:SubscribeToShard",
    ),
    Part.HOME: (
        "dynamodb:CreateTable",
        "dynamodb:DescribeTable",
        "dynamodb:UpdateTable",
        "dynamodb:Scan",
        "dynamodb:Query",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:UpdateItem",
        "dynamodb:DeleteItem",
        "dynamodb:ConditionCheckItem",  # KCL 3.5 and later, when it moves three tables into one
    ),
    Part.METRICS: ("cloudwatch:PutMetricData",),
    # Nobody calls it: Kinesis, S3 and SQS ask for it in our name.
    Part.KEYS: ("kms:Decrypt",),
}
"""Actions that must be granted although no call of ours is in the table."""


def actions_of(part: Part) -> frozenset[str]:
    """Every IAM action that `part` needs."""
    features = PARTS.get(part, ())
    ours = {operation.action for operation in OPERATIONS if operation.feature in features}
    return frozenset(ours | set(FURTHER_ACTIONS.get(part, ())))

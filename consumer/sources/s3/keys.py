"""What an object's key says: whether it can be a flow log at all, whose, and from where.

Belongs here: both layouts in which AWS names flow log objects, and the rule for everything else. Pure. Does not: what
is in the object, whose header goes before all of this. VPC user guide, "Flow log files":
`[prefix/]AWSLogs/ACCOUNT/vpcflowlogs/REGION/YYYY/MM/DD[/HH]/FILE`, or with `aws-account-id=ACCOUNT` and so on (hive),
and FILE is `ACCOUNT_vpcflowlogs_REGION_FLOWLOG_STAMP_HASH.log.gz` or `.log.parquet`. A copy may have any key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_FOLDER = re.compile(
    r"(?:^|/)AWSLogs/(?:o-[a-z0-9]+/)?(?:(?:aws-account-id=)?(?P<account>\d{12})/)"
    r"(?:aws-service=)?(?P<service>[A-Za-z0-9_.-]+)/(?:(?:aws-region=)?(?P<region>[a-z]{2}(?:-[a-z]+)+-\d+)/)?"
)
_FILE = re.compile(
    r"(?:^|[/_])(?P<account>\d{12})_(?P<service>[A-Za-z][A-Za-z0-9-]*)_(?P<region>[a-z]{2}(?:-[a-z]+)+-\d+)_"
    r"(?:(?P<flow_log>fl-[0-9a-f]+)_)?[^/]*$"
)
_FLOW_LOG = re.compile(r"(?<![A-Za-z0-9])fl-(?:[0-9a-f]{17}|[0-9a-f]{8})(?![0-9a-f])")
_SERVICE = "vpcflowlogs"
_FOREIGN_NAME = re.compile(
    r"_(?:CloudTrail(?:-Digest|-Insight)?|elasticloadbalancing|vpcdnsquerylogs|Config|GuardDuty|networkfirewall|"
    r"WAFLogs|waflogs|S3Access|redshift)_"
)
_FOREIGN_ENDING = re.compile(
    r"\.(?:csv|html?|jpe?g|png|pdf|zip|tar|tgz|orc|avro|tmp|md5|sha256|DS_Store)$", re.IGNORECASE
)
_MARKERS: tuple[str, ...] = (
    "_SUCCESS",
    "_$folder$",
    "CloudTrail-Digest",
    "ELBAccessLogTestFile",
    "ConfigWritabilityCheckFile",
)


@dataclass(frozen=True, slots=True)
class ObjectKey:
    """What the key tells; empty = it does not. `skip`: why this is no flow log; empty = it may be one.

    `is_sure`: AWS's own layout for flow logs, so that what is inside needs no proof.
    """

    account: str = ""
    region: str = ""
    flow_log_id: str = ""
    skip: str = ""
    is_sure: bool = False


def read_key(key: str, size_bytes: int | None = None) -> ObjectKey:
    """Read a decoded key. Reasons to skip: `folder`, `empty`, `other_service` (CloudTrail, a load balancer…),
    `other_file`."""
    if key.endswith("/"):
        return ObjectKey(skip="folder")
    if key.endswith(_MARKERS):
        return ObjectKey(skip="other_file")
    if size_bytes == 0:
        return ObjectKey(skip="empty")
    folder, file = _FOLDER.search(key), _FILE.search(key)
    services = {match["service"] for match in (folder, file) if match}
    if services and _SERVICE not in services:
        return ObjectKey(skip="other_service")
    if not services:
        if _FOREIGN_NAME.search(key):
            return ObjectKey(skip="other_service")
        if _FOREIGN_ENDING.search(key):
            return ObjectKey(skip="other_file")
    best = [match for match in (file, folder) if match and match["service"] == _SERVICE]
    flow_log = file["flow_log"] if file and file["flow_log"] else None
    found = flow_log or next(iter(_FLOW_LOG.findall(key.rpartition("/")[2])), "")
    return ObjectKey(
        next((match["account"] for match in best), ""),
        next((match["region"] for match in best if match["region"]), ""),
        found,
        is_sure=bool(best),
    )


def folder_of(key: str) -> str:
    """What the objects of one account and region share: the key up to the date, else its folder."""
    parts = re.split(r"/(?:\d{4}|year=\d{4})/", key, maxsplit=1)
    return parts[0] if len(parts) > 1 else key.rpartition("/")[0]

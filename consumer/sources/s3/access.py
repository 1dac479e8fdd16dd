"""Why AWS does not give us an object: it is gone, or somebody must allow something, and what.

Belongs here: telling these apart, in words. Does not: what is done about it (objects.py). Without s3:ListBucket a
missing key answers 403 like a denied one (S3 API reference, GetObject, "Permissions").
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from consumer.aws.operations import LIST_OBJECTS
from consumer.aws.sessions import Sessions
from consumer.aws.stored_object import Place
from consumer.errors import PermissionDeniedError, RefusedError, VpcflowError
from consumer.sources.s3.keys import folder_of

GONE = frozenset({"NoSuchKey", "NoSuchBucket", "NoSuchVersion", "404"})
"""Error codes of what is not there (S3 API reference, "Error responses")."""
REPLACED = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict"})
"""Error codes of a condition (If-Match) that another object does not meet."""
_KEY = re.compile(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+")


@dataclass(frozen=True, slots=True)
class Refusal:
    """One thing to be put right. `component`: what it is about, once for all objects that suffer from it."""

    component: str
    bucket: str
    folder: str
    reason: str


def is_missing(sessions: Sessions, place: Place, error: VpcflowError) -> bool:
    """Whether there is no such object. Asks once more where 403 may mean either; unsure counts as not missing."""
    if isinstance(error, RefusedError):
        return error.code in GONE
    if "kms" in str(error.__cause__).lower():
        return False
    parameters = {name: value for name, value in place.parameters().items() if name != "Key"}
    try:
        found = sessions.call(LIST_OBJECTS, place.target, Prefix=place.key, MaxKeys=1, **parameters)
    except VpcflowError:
        return False
    return not any(one["Key"] == place.key for one in found.get("Contents", ()))


def explain(place: Place, error: VpcflowError) -> Refusal:
    """What to allow. A key of KMS is one thing however many objects it locks; else bucket and folder are."""
    folder = folder_of(place.key)
    cause = str(error.__cause__ or error)
    where = f"{place.bucket}/{folder}"
    if "kms" in cause.lower():
        key = next(iter(_KEY.findall(cause)), "of KMS")
        reason = (
            f'objects of {where} are encrypted with it: allow "Action": "kms:Decrypt" on it, also in the key\'s policy'
        )
        return Refusal(f"key {key}", place.bucket, folder, reason)
    if isinstance(error, PermissionDeniedError):
        owner = f", or its owner is not {place.owner} ([[buckets]] expected_owner)" if place.owner else ""
        reason = (
            f"{error}; the bucket's policy must allow it too where another account owns the bucket{owner}. Objects "
            "that are gone answer the same unless s3:ListBucket is allowed"
        )
        return Refusal(f"bucket {where}", place.bucket, folder, reason)
    if isinstance(error, RefusedError) and error.code == "InvalidObjectState":
        reason = "its objects are archived (S3 Glacier): restore them, or let them be archived later"
        return Refusal(f"bucket {where}", place.bucket, folder, reason)
    return Refusal(f"bucket {where}", place.bucket, folder, str(error))

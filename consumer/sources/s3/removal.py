"""Deleting objects once they are exported, where the user asks for it.

Belongs here: the conditions under which it may be done. Does not: when (objects.py). A bucket without versioning is
refused unless the user insists: with versioning a deletion can be taken back.
"""

from __future__ import annotations

import threading

from consumer.aws.operations import DELETE_OBJECT, GET_BUCKET_VERSIONING
from consumer.aws.sessions import Sessions
from consumer.aws.stored_object import Place
from consumer.errors import RefusedError
from consumer.sources.s3.access import GONE, REPLACED


class Remover:
    """Thread-safe; asks for a bucket's versioning once. Raises what Sessions.call raises, RefusedError where the bucket
    is not versioned."""

    # A conditional delete needs s3:GetObject beside s3:DeleteObject (S3 user guide, "How to perform conditional
    # deletes"); who exports an object has it.

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._lock = threading.Lock()
        self._versioned: dict[str, bool] = {}

    def remove(self, place: Place, etag: str, *, is_forced: bool) -> bool:
        """Delete one object in the state that was exported; False = its key holds another one by now, or none."""
        if not is_forced and not self._is_versioned(place):
            fix = "switch versioning on, or set delete_unversioned = true for this bucket"
            raise RefusedError(
                DELETE_OBJECT.action, "NotVersioned", f"bucket {place.bucket} keeps no old versions: {fix}"
            )
        try:
            self._sessions.call(DELETE_OBJECT, place.target, IfMatch=f'"{etag}"', **place.parameters())
        except RefusedError as error:
            if error.code in REPLACED or error.code in GONE:
                return False
            raise
        return True

    def _is_versioned(self, place: Place) -> bool:
        with self._lock:
            if place.bucket not in self._versioned:
                owner = {"ExpectedBucketOwner": place.owner} if place.owner else {}
                answer = self._sessions.call(GET_BUCKET_VERSIONING, place.target, Bucket=place.bucket, **owner)
                self._versioned[place.bucket] = answer.get("Status") == "Enabled"
            return self._versioned[place.bucket]

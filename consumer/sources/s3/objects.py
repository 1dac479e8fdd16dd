"""One announced object: is it ours, may we read it, has it been exported, and then its chunks, one after the other.

Belongs here: the decision on each object and what came of it. Does not: bytes (aws/stored_object.py), chunks
(chunks/text.py), messages and their deletion (source.py). Nothing of an object is held but the chunk at hand.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from consumer.aws.roles import Access, Target
from consumer.aws.sessions import Sessions
from consumer.aws.stored_object import Place, StoredObject
from consumer.clock import Clock
from consumer.errors import (
    MissingPrerequisiteError,
    PermissionDeniedError,
    RefusedError,
    RetryableError,
    Stopped,
    VpcflowError,
)
from consumer.model.delivery import Delivery, Origin, SourceKind
from consumer.sources.base import Process
from consumer.sources.chunks.stored import read_object
from consumer.sources.chunks.text import Chunk, Position
from consumer.sources.s3.access import GONE, REPLACED, Refusal, explain, is_missing
from consumer.sources.s3.keys import ObjectKey, folder_of, read_key
from consumer.sources.s3.notices import Notice
from consumer.sources.s3.proof import is_flow_log
from consumer.sources.s3.removal import Remover
from consumer.state.object_journal import ObjectIdentity, ObjectJournal
from consumer.telemetry.logs import get_logger

log = get_logger("s3")

_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d+")


@dataclass(frozen=True, slots=True)
class BucketRules:
    """How one bucket is read. `access`: as whom, where it is not whoever reads the queue (`has_access`)."""

    name: str = ""
    enabled: bool = True
    has_access: bool = False
    access: Access = None
    requester_pays: bool = False
    expected_owner: str = ""
    delete_prefix: str = ""
    delete_unversioned: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What came of an object.

    `is_over`: its message needs it no more. `is_faulty`: trying again will not help. `delay_seconds`: when to try again
    otherwise. `outcome`: one word for metrics; `reason`: for the dead letter and the log.
    """

    outcome: str
    reason: str = ""
    is_over: bool = True
    is_faulty: bool = False
    delay_seconds: int = 0


INTERRUPTED = Result("interrupted", is_over=False)
BUSY = Result("busy", "another message announces it too, and it is being read", is_over=False, delay_seconds=30)
DENIED_SECONDS, LATER_SECONDS, FAULTY_SECONDS = 300, 30, 2
"""Nothing changes within seconds where a permission is missing; throttling and time-outs pass; damage stays, and AWS
may take the message away soon."""


class ObjectObserver(Protocol):
    """Who hears what happens to objects; called from several threads."""

    def object(self, outcome: str) -> None:
        """An object of a message came to this end."""

    def read(self, size_bytes: int, retries: int) -> None:
        """Bytes fetched, and how often a broken or throttled read was taken up again."""

    def refused(self, refusal: Refusal) -> None:
        """AWS does not let us read there."""

    def allowed(self, bucket: str, folder: str) -> None:
        """An object of this folder was read."""


class ObjectReader:
    """Reads the objects of one queue; thread-safe. `target`: as whom and where the queue is read.

    `is_wanted`: whether the rows of a flow log id are to be reported from S3.
    """

    def __init__(
        self,
        sessions: Sessions,
        target: Target,
        rules: Callable[[str], BucketRules],
        journal: ObjectJournal,
        clock: Clock,
        observer: ObjectObserver,
        is_wanted: Callable[[str], bool],
    ) -> None:
        self._sessions = sessions
        self._target = target
        self._rules = rules
        self._journal = journal
        self._clock = clock
        self._observer = observer
        self._is_wanted = is_wanted
        self._remover = Remover(sessions)

    def export(self, notice: Notice, process: Process, stop: threading.Event, is_lost: Callable[[], bool]) -> Result:
        """Export what is not exported yet. Blocks as long as the collectors do; never raises.

        Ends between two chunks once `stop` is set or the message `is_lost`.
        """
        try:
            result = self._export(notice, process, stop, is_lost)
        except Stopped:
            result = INTERRUPTED
        except (PermissionDeniedError, RefusedError) as error:
            result = self._changed(notice, error)
        except MissingPrerequisiteError as error:
            self._observer.refused(Refusal("Parquet", notice.bucket, folder_of(notice.key), str(error)))
            result = Result("denied", str(error), is_over=False, delay_seconds=DENIED_SECONDS)
        except RetryableError as error:
            result = Result("later", str(error), is_over=False, delay_seconds=LATER_SECONDS)
        except Exception as error:
            # The edge of one object: whatever is wrong with it must not end the others.
            log.exception("object failed", bucket=notice.bucket, key=notice.key)
            result = Result("failed", str(error), is_over=False, delay_seconds=LATER_SECONDS)
        self._observer.object(result.outcome)
        return result

    def _export(self, notice: Notice, process: Process, stop: threading.Event, is_lost: Callable[[], bool]) -> Result:
        key = read_key(notice.key, notice.size_bytes)
        rules = self._rules(notice.bucket)
        if key.skip:
            return Result(f"skipped_{key.skip}")
        if not rules.enabled or (key.flow_log_id and not self._is_wanted(key.flow_log_id)):
            return Result("skipped_not_chosen")
        # The entity tag alone, no version: AWS gives it to whoever opens the object, whichever way it was announced.
        announced = ObjectIdentity(notice.bucket, notice.key, notice.etag, notice.sequencer)
        if notice.etag and (known := self._known(announced)):
            return known
        stored = self._open(notice, rules, stop)
        if isinstance(stored, Result):
            return stored
        try:
            identity = ObjectIdentity(notice.bucket, stored.place.key, stored.etag, notice.sequencer)
            if known := self._known(identity):
                return known
            if not self._journal.claim(identity):
                return BUSY
            try:
                return self._read(stored, identity, key, rules, process, lambda: stop.is_set() or is_lost())
            finally:
                self._journal.release(identity)
        finally:
            stored.close()

    def _changed(self, notice: Notice, error: PermissionDeniedError | RefusedError) -> Result:
        """What became of an object while it was read."""
        if isinstance(error, RefusedError) and error.code in REPLACED:
            return Result("replaced", "another object has its key now", is_over=False, delay_seconds=1)
        if isinstance(error, RefusedError) and error.code in GONE:
            return Result("gone")
        refusal = explain(Place(self._target, notice.bucket, notice.key), error)
        self._observer.refused(refusal)
        return Result("denied", refusal.reason, is_over=False, delay_seconds=DENIED_SECONDS)

    def _known(self, identity: ObjectIdentity) -> Result | None:
        done = self._journal.done(identity)
        if done is None:
            return None
        return _faulty(done.fault) if done.fault else Result("repeated")

    def _open(self, notice: Notice, rules: BucketRules, stop: threading.Event) -> StoredObject | Result:
        """The object, opened; else why it cannot be."""
        region = notice.region if _REGION.fullmatch(notice.region) else self._target.region
        target = Target(rules.access if rules.has_access else self._target.access, region)
        for name in filter(None, (notice.key, notice.other_key)):
            place = Place(target, notice.bucket, name, rules.requester_pays, rules.expected_owner)
            stored = StoredObject(self._sessions, place, self._clock, stop)
            try:
                stored.open()
            except (PermissionDeniedError, RefusedError) as error:
                if is_missing(self._sessions, place, error):
                    continue
                refusal = explain(place, error)
                self._observer.refused(refusal)
                return Result("denied", refusal.reason, is_over=False, delay_seconds=DENIED_SECONDS)
            self._observer.allowed(place.bucket, folder_of(name))
            return stored
        log.info("object is gone", bucket=notice.bucket, key=notice.key)
        return Result("gone")

    def _read(
        self,
        stored: StoredObject,
        identity: ObjectIdentity,
        key: ObjectKey,
        rules: BucketRules,
        process: Process,
        is_over: Callable[[], bool],
    ) -> Result:
        """Every chunk behind what the journal knows, each acknowledged by an entry in it."""
        start = Position.at(self._journal.mark(identity))
        origin = Origin(
            SourceKind.S3,
            account=key.account or None,
            region=key.region or None,
            bucket=stored.place.bucket,
            key=stored.place.key,
            flow_log_id=key.flow_log_id or None,
        )
        fault = ""
        count = 0
        try:
            for chunk in read_object(stored, start):
                if is_over():
                    return INTERRUPTED
                is_proved = key.is_sure or count or start.offset or chunk.columns is not None
                if not is_proved and not is_flow_log(chunk.payload):
                    self._journal.finish(identity)
                    return Result("skipped_not_a_flow_log")
                process(self._delivery(origin, identity, chunk))
                count += 1
                fault = fault or chunk.fault
        finally:
            self._observer.read(stored.read_bytes, stored.retries)
        if fault:
            log.warning("object is damaged", bucket=identity.bucket, key=identity.key, fault=fault)
            self._journal.finish(identity, fault)
            return _faulty(fault)
        self._remove(stored, rules)
        self._journal.finish(identity)
        return Result("exported" if count or start.offset else "skipped_empty")

    def _delivery(self, origin: Origin, identity: ObjectIdentity, chunk: Chunk) -> Delivery:
        def acknowledge() -> None:
            self._journal.advance(identity, chunk.position().mark())

        return chunk.delivery(origin, self._clock.now(), acknowledge)

    def _remove(self, stored: StoredObject, rules: BucketRules) -> None:
        """Delete the exported object where the user asks for it. What hinders that is said, and holds nothing up."""
        place = stored.place
        if not rules.delete_prefix or not place.key.startswith(rules.delete_prefix):
            return
        try:
            is_removed = self._remover.remove(place, stored.etag, is_forced=rules.delete_unversioned)
        except VpcflowError as error:
            self._observer.object("not_deleted")
            self._observer.refused(Refusal(f"deleting in {place.bucket}", place.bucket, "to delete", str(error)))
        else:
            self._observer.object("deleted" if is_removed else "not_deleted")
            self._observer.allowed(place.bucket, "to delete")


def _faulty(fault: str) -> Result:
    return Result("faulty", fault, is_over=False, is_faulty=True, delay_seconds=FAULTY_SECONDS)

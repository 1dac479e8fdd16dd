"""Source 3: flow log objects in S3, announced by an SQS queue.

Belongs here: receiving messages, handing their objects to the reader, and deciding what becomes of each message: it is
deleted only after the last datagram of its last object. Does not: what a message says (notices.py), one object
(objects.py), renewing and deleting (held.py), the queue's calls (queue.py). One thread receives, one renews,
and each worker has one message at a time; nothing is received that no worker will take soon, so no queue grows.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

from consumer.clock import Clock
from consumer.errors import RetryableError, VpcflowError
from consumer.model.delivery import Origin, SourceKind
from consumer.model.tally import Reject
from consumer.sources.base import Process
from consumer.sources.s3.held import Held, HeldMessages
from consumer.sources.s3.notices import Notice, read_body
from consumer.sources.s3.objects import LATER_SECONDS, ObjectReader, Result
from consumer.sources.s3.pace import Concurrency
from consumer.sources.s3.queue import BATCH_COUNT, Message, MessageQueue, QueueFacts, QueueObserver
from consumer.sources.s3.settings import S3Settings
from consumer.telemetry.logs import get_logger

log = get_logger("s3")

FACTS_SECONDS = 60.0
FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 1.0, 60.0
LONGEST_BEGIN_SECONDS = 5.0
DELETE_SECONDS = 1.0
_TICK_SECONDS = 0.25
"""How soon a thread that waits for another one looks whether a stop was asked for."""
_PERMANENT = frozenset({"not_json", "unknown_shape", "no_object"})
"""Parts of a message that say nothing we understand, and never will."""

KeepRejects = Callable[[Origin, Sequence[Reject]], None]


class S3Source:
    """One queue. `open_queue` finds it (its URL may have to be asked for); `reader` exports what it announces."""

    def __init__(
        self,
        name: str,
        open_queue: Callable[[], MessageQueue],
        reader: ObjectReader,
        settings: S3Settings,
        keep_rejects: KeepRejects,
        clock: Clock,
        observer: QueueObserver,
        wait_seconds: int = 0,
    ) -> None:
        self.name = f"s3 {name}"
        self._open_queue = open_queue
        self._reader = reader
        self._settings = settings
        self._keep_rejects = keep_rejects
        self._clock = clock
        self._observer = observer
        self._wait_seconds = wait_seconds or settings.wait_seconds
        self._concurrency = Concurrency(settings.concurrency, settings.max_concurrency, clock.monotonic())

    def run(self, process: Process, stop: threading.Event) -> None:
        """Read until `stop`; blocks. A queue that cannot be read is tried again, with its reason in health."""
        shift = _Shift(self, process, stop)
        delay = FIRST_RETRY_SECONDS
        while not stop.is_set() and not shift.begin():
            self._clock.wait(stop, delay)
            delay = min(LONGEST_BEGIN_SECONDS, 2 * delay)
        if not stop.is_set():
            shift.work()


class _Shift:
    """One run of a source: its threads and what they share."""

    def __init__(self, source: S3Source, process: Process, stop: threading.Event) -> None:
        self._reader = source._reader
        self._settings = source._settings
        self._keep_rejects = source._keep_rejects
        self._clock = source._clock
        self._observer = source._observer
        self._wait_seconds = source._wait_seconds
        self._concurrency = source._concurrency
        self._open_queue = source._open_queue
        self._name = source.name
        self._process = process
        self._stop = stop
        self._over = threading.Event()
        self._changed = threading.Condition()
        self._waiting: deque[Held] = deque()
        self._busy = 0
        self._facts = QueueFacts(0, 0, 0, "")

    def begin(self) -> bool:
        """Find the queue and what AWS does with messages that fail; false when it does not answer."""
        try:
            self._queue = self._open_queue()
            self._hands = HeldMessages(
                self._name, self._queue, self._settings.visibility_seconds, self._clock, self._observer
            )
            self._look()
        except VpcflowError as error:
            self._observer.queue("waiting" if isinstance(error, RetryableError) else "failing", str(error))
            log.warning("queue cannot be read yet", source=self._name, reason=str(error))
            return False
        self._observer.queue("ok", self._rule())
        return True

    def _rule(self) -> str:
        facts = self._facts
        if facts.max_receives:
            return f"reading; AWS moves a message to {facts.dead_letter_arn} after {facts.max_receives} receives"
        return f"reading; no dead-letter queue: what fails {self._settings.max_receives} times goes to the dead letter"

    def work(self) -> None:
        """Until `stop`: then each worker ends its chunk, and unfinished messages are given back at once."""
        count = max(self._settings.concurrency, self._settings.max_concurrency)
        workers = [
            threading.Thread(target=self._worker, args=(number,), name=f"{self._name} worker {number}")
            for number in range(count)
        ]
        # The receiver may hang in a long poll when we stop; it gives back by itself what comes then.
        receiver = threading.Thread(target=self._receiver, name=f"{self._name} receiver", daemon=True)
        renewer = threading.Thread(target=self._hands.renew, args=(self._over,), name=f"{self._name} renewer")
        for thread in (*workers, renewer, receiver):
            thread.start()
        try:
            while not self._clock.wait(self._stop, DELETE_SECONDS):
                self._hands.delete()
        finally:
            with self._changed:
                self._changed.notify_all()
            for thread in workers:
                thread.join()
            self._hands.delete()
            self._hands.give_back_rest()
            self._over.set()
            renewer.join()

    # Receiving

    def _receiver(self) -> None:
        failures = 0
        while count := self._wait_for_room():
            try:
                found = self._queue.receive(count, self._wait_seconds, self._settings.visibility_seconds)
                self._take(found)
                if self._clock.monotonic() - self._looked_at >= FACTS_SECONDS:
                    self._look()
            except VpcflowError as error:
                failures += 1
                log.warning("queue cannot be read", source=self._name, reason=str(error))
                self._pause(error, failures)
            except Exception as error:
                # The edge of the thread: a receiver that ended would be a source that reads nothing and says nothing.
                failures += 1
                log.exception("queue cannot be read", source=self._name)
                self._pause(error, failures)
            else:
                if failures:
                    failures = 0
                    self._observer.queue("ok", self._rule())

    def _pause(self, error: Exception, failures: int) -> None:
        """What passes by itself is worth a word in health only when it comes again."""
        if not isinstance(error, RetryableError) or failures > 2:
            self._observer.queue("failing", str(error))
        self._clock.wait(self._stop, min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2.0 ** min(failures, 10)))

    def _wait_for_room(self) -> int:
        """How many messages to ask for; 0 = it is over. As many again as are worked on may wait for a worker."""
        with self._changed:
            while not self._stop.is_set():
                room = 2 * self._concurrency.limit - len(self._waiting) - self._busy
                if room > 0:
                    return min(room, BATCH_COUNT)
                self._changed.wait(_TICK_SECONDS)
        return 0

    def _take(self, found: Sequence[Message]) -> None:
        with self._changed:
            if not self._stop.is_set():
                for message in found:
                    self._observer.received(message)
                    self._waiting.append(self._hands.take(message))
                self._changed.notify_all()
                return
        self._hands.give_back(found)

    def _look(self) -> None:
        self._looked_at = self._clock.monotonic()
        self._facts = self._queue.facts()
        self._observer.facts(self._facts)

    # Working

    def _worker(self, number: int) -> None:
        while (held := self._next(number)) is not None:
            try:
                self._handle(held)
            except Exception:
                # The edge of the thread: the message comes again, the worker stays.
                log.exception("message failed", source=self._name, message=held.message.id)
                self._hands.release(held, LATER_SECONDS, "left")
            with self._changed:
                self._busy -= 1
                self._observer.working(self._busy)
                self._concurrency.done(self._clock.monotonic(), is_backlogged=bool(self._waiting))

    def _next(self, number: int) -> Held | None:
        with self._changed:
            while not self._stop.is_set():
                if self._waiting and number < self._concurrency.limit:
                    self._busy += 1
                    self._observer.working(self._busy)
                    return self._waiting.popleft()
                self._changed.wait(_TICK_SECONDS)
        return None

    def _handle(self, held: Held) -> None:
        """Export every object of a message, then decide what becomes of it."""
        announcement = read_body(held.message.body)
        for reason, count in announcement.skipped.items():
            for _ in range(count):
                self._observer.part(reason)
        unclear = sorted(_PERMANENT.intersection(announcement.skipped))
        failed: list[tuple[Notice | None, Result]] = [
            (None, Result("unclear", reason, is_over=False, is_faulty=True)) for reason in unclear
        ]
        for notice in announcement.notices:
            result = self._reader.export(notice, self._process, self._stop, lambda: self._hands.is_lost(held))
            with self._changed:
                self._concurrency.exported(notice.size_bytes or 0, is_throttled=result.outcome == "later")
            if not result.is_over:
                failed.append((notice, result))
                if self._stop.is_set() or self._hands.is_lost(held):
                    break
        self._decide(held, failed)

    def _decide(self, held: Held, failed: Sequence[tuple[Notice | None, Result]]) -> None:
        if not failed:
            self._hands.done(held)
            return
        results = [result for _, result in failed]
        if self._hands.is_lost(held):
            log.warning("message is lost to others", source=self._name, message=held.message.id)
            self._hands.release(held, None, "lost")
        elif self._stop.is_set() or all(result.outcome == "interrupted" for result in results):
            self._hands.release(held, 0, "given_back")
        elif not self._facts.max_receives and self._is_hopeless(held, results):
            self._quarantine(held, failed)
        else:
            # With a dead-letter queue AWS counts the receives, and moves the message by its own rule.
            delay = max(result.delay_seconds for result in results)
            self._hands.release(held, self._backed_off(delay, held.message.receive_count), "left")

    def _is_hopeless(self, held: Held, results: Sequence[Result]) -> bool:
        """Whether it is only what never gets better: damaged at once, failing by itself after some tries."""
        if all(result.is_faulty for result in results):
            return True
        is_ours = all(result.is_faulty or result.outcome == "failed" for result in results)
        return is_ours and held.message.receive_count >= self._settings.max_receives

    @staticmethod
    def _backed_off(delay_seconds: int, receive_count: int) -> int:
        """Later each time, so that what passes has passed before AWS gives the message up."""
        return int(min(900, delay_seconds * 2.0 ** max(0, min(receive_count, 10) - 1)))

    def _quarantine(self, held: Held, failed: Sequence[tuple[Notice | None, Result]]) -> None:
        """Keep what says which objects were not exported, then delete the message. A full disk holds it."""
        for notice, result in failed:
            origin = Origin(SourceKind.S3, bucket=notice.bucket if notice else None, key=notice.key if notice else None)
            reject = Reject(f"object_{result.outcome}: {result.reason}", held.message.body.encode(), held.message.id)
            try:
                self._keep_rejects(origin, (reject,))
            except OSError as error:
                log.error("the dead letter cannot be written", reason=str(error))  # noqa: TRY400
                self._hands.release(held, 60, "left")
                return
        log.warning("message quarantined", source=self._name, message=held.message.id, reason=failed[0][1].reason)
        self._observer.message("quarantined")
        self._hands.done(held)

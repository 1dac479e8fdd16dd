"""The messages in our hands: renewed while their objects are exported, then deleted or given back.

Belongs here: what may happen to a received message, and that it happens once. Does not: why (source.py), the calls
(queue.py). A message is deleted only when whoever held it says that everything it announced is exported.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from consumer.clock import Clock
from consumer.errors import VpcflowError
from consumer.sources.s3.queue import BATCH_COUNT, Message, MessageQueue, QueueObserver
from consumer.telemetry.logs import get_logger

log = get_logger("s3")


@dataclass(slots=True, eq=False)
class Held:
    """A message in our hands. `renewed_at`: monotonic seconds; `is_refused`: SQS said that it is not ours any more."""

    message: Message
    renewed_at: float
    is_refused: bool = False


class HeldMessages:
    """Mutable, thread-safe; `name` for the log. Every method may block for a call of SQS, and none raises for one: what
    cannot be deleted or given back comes again by itself once its visibility is over."""

    def __init__(
        self, name: str, queue: MessageQueue, visibility_seconds: int, clock: Clock, observer: QueueObserver
    ) -> None:
        self._name = name
        self._queue = queue
        self._visibility_seconds = visibility_seconds
        self._clock = clock
        self._observer = observer
        self._lock = threading.Lock()
        self._held: set[Held] = set()
        self._done: list[Held] = []
        # Held around what changes a visibility: a renewal after a message was given back would keep it from everybody.
        self._changing = threading.Lock()

    def take(self, message: Message) -> Held:
        """A message was just received: from now on it is renewed."""
        held = Held(message, self._clock.monotonic())
        with self._lock:
            self._held.add(held)
        return held

    def is_lost(self, held: Held) -> bool:
        """Whether others may have it by now: told by the clock, not only at the next renewal, which may be too late."""
        return held.is_refused or self._clock.monotonic() - held.renewed_at >= self._visibility_seconds

    def done(self, held: Held) -> None:
        """Everything it announced is exported or kept: to be deleted, with others or within a second (`delete`)."""
        with self._lock:
            self._done.append(held)
        self.delete(at_least=BATCH_COUNT)

    def delete(self, *, at_least: int = 1) -> None:
        """Delete what is done, if it is so many."""
        with self._lock:
            if len(self._done) < at_least:
                return
            ready, self._done = self._done, []
            self._held.difference_update(ready)
        by_message = {held.message: held for held in ready}
        try:
            failed = self._queue.delete(list(by_message))
        except VpcflowError as error:
            log.warning("messages were not deleted", source=self._name, reason=str(error))
            failed = list(by_message)
        # What could not be deleted comes again; its objects are known by then, and it is deleted once more.
        for message in by_message:
            self._observer.message("not_deleted" if message in failed else "deleted")

    def release(self, held: Held, delay_seconds: int | None, outcome: str) -> None:
        """Let the message come again after the delay; None = it is not ours any more."""
        with self._changing:
            with self._lock:
                self._held.discard(held)
            if delay_seconds is not None:
                self._hold([held.message], delay_seconds)
        self._observer.message(outcome)

    def give_back(self, messages: Sequence[Message]) -> None:
        """Messages that came when nobody wanted them any more."""
        self._hold(messages, 0)
        for _ in messages:
            self._observer.message("given_back")

    def give_back_rest(self) -> None:
        """At the end of a run, once everybody else let go."""
        with self._changing, self._lock:
            rest, self._held = [held.message for held in self._held], set()
        self.give_back(rest)

    def _hold(self, messages: Sequence[Message], seconds: int) -> None:
        try:
            self._queue.hold(messages, seconds)
        except VpcflowError as error:
            log.warning("messages were not held", source=self._name, reason=str(error))

    def renew(self, over: threading.Event) -> None:
        """Every third of the visibility, until `over`: what is held stays ours."""
        while not self._clock.wait(over, self._visibility_seconds / 3):
            try:
                self._renew()
            except Exception:
                # The edge of the thread: what was not renewed is lost when its time is over, and the next turn may do.
                log.exception("messages were not renewed", source=self._name)

    def _renew(self) -> None:
        with self._changing:
            with self._lock:
                ours = {held.message: held for held in self._held if not self.is_lost(held)}
            began = self._clock.monotonic()
            try:
                refused = self._queue.hold(list(ours), self._visibility_seconds)
            except VpcflowError as error:
                log.warning("messages were not renewed", source=self._name, reason=str(error))
                return
        for message, held in ours.items():
            if message in refused:
                held.is_refused = True
            else:
                held.renewed_at = began

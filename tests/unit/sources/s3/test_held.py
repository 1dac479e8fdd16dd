"""Messages in our hands: renewed as long as they are ours, never after they were given back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import pytest

from consumer.aws.roles import Target
from consumer.aws.sessions import Sessions
from consumer.aws.settings import AwsSettings
from consumer.errors import RetryableError
from consumer.sources.s3.held import HeldMessages
from consumer.sources.s3.queue import Message, MessageQueue
from tests.support.clock import ManualClock
from tests.support.flow_bucket import Heard

VISIBILITY_SECONDS = 30


class Queue(MessageQueue):
    """Remembers what it was asked; `before` happens in the middle of a renewal."""

    def __init__(self) -> None:
        super().__init__(Sessions(AwsSettings()), Target(None, "us-east-1"), "")
        self.held: list[tuple[str, int]] = []
        self.deleted: list[str] = []
        self.lost: set[str] = set()
        self.before: Callable[[], None] = lambda: None

    def hold(self, messages: Sequence[Message], seconds: int) -> set[Message]:
        if seconds:
            self.before()
        self.held += [(message.id, seconds) for message in messages]
        return {message for message in messages if message.id in self.lost}

    def delete(self, messages: Sequence[Message]) -> list[Message]:
        self.deleted += [message.id for message in messages]
        return []


class Hands:
    """Held messages with their queue and a clock that stands."""

    def __init__(self) -> None:
        self.queue, self.clock, self.heard = Queue(), ManualClock(), Heard()
        self.messages = HeldMessages("s3 q", self.queue, VISIBILITY_SECONDS, self.clock, self.heard)

    def renew_once(self) -> None:
        """One turn of the renewing thread."""
        self.messages._renew()


@pytest.fixture
def hands() -> Hands:
    return Hands()


def message(name: str) -> Message:
    return Message(name, f"receipt of {name}", "", 1)


def test_what_is_held_is_renewed_until_it_is_deleted(hands: Hands) -> None:
    held = hands.messages.take(message("a"))
    hands.renew_once()
    hands.messages.done(held)
    hands.renew_once()
    hands.messages.delete()
    hands.renew_once()

    assert hands.queue.held == [("a", VISIBILITY_SECONDS)] * 2
    assert hands.queue.deleted == ["a"]
    assert hands.heard.messages == ["deleted"]


def test_a_message_given_back_during_a_renewal_ends_up_given_back(hands: Hands) -> None:
    held = hands.messages.take(message("a"))
    giving = threading.Thread(target=hands.messages.release, args=(held, 0, "given_back"))

    def give_back() -> None:
        giving.start()
        giving.join(0.2)  # it waits for the renewal to end

    hands.queue.before = give_back
    hands.renew_once()
    giving.join(30)

    assert hands.queue.held == [("a", VISIBILITY_SECONDS), ("a", 0)]


def test_a_message_whose_objects_are_exported_is_deleted_even_if_its_time_is_over(hands: Hands) -> None:
    held = hands.messages.take(message("a"))
    hands.clock.advance(VISIBILITY_SECONDS)
    hands.messages.done(held)
    hands.messages.delete()

    assert hands.messages.is_lost(held)
    assert hands.queue.deleted == ["a"]


def test_a_message_that_sqs_does_not_renew_is_lost_at_once_and_renewed_no_more(hands: Hands) -> None:
    held = hands.messages.take(message("a"))
    hands.queue.lost = {"a"}
    hands.renew_once()
    hands.renew_once()

    assert hands.messages.is_lost(held)
    assert len(hands.queue.held) == 1


def test_a_message_is_lost_when_its_time_is_over_whenever_the_next_renewal_comes(hands: Hands) -> None:
    held = hands.messages.take(message("a"))

    def fail() -> None:
        raise RetryableError("no answer")

    hands.queue.before = fail
    hands.clock.advance(VISIBILITY_SECONDS - 1)
    hands.renew_once()
    assert not hands.messages.is_lost(held)
    hands.clock.advance(1)
    assert hands.messages.is_lost(held)


def test_a_renewed_message_is_ours_for_a_whole_visibility_more(hands: Hands) -> None:
    held = hands.messages.take(message("a"))
    hands.clock.advance(VISIBILITY_SECONDS - 1)
    hands.renew_once()
    hands.clock.advance(VISIBILITY_SECONDS - 1)
    assert not hands.messages.is_lost(held)
    hands.clock.advance(1)
    assert hands.messages.is_lost(held)


def test_the_rest_is_given_back_at_the_end_and_what_comes_later_too(hands: Hands) -> None:
    for name in ("a", "b"):
        hands.messages.take(message(name))
    hands.messages.give_back_rest()
    hands.messages.give_back([message("c")])
    hands.renew_once()

    assert sorted(hands.queue.held) == [("a", 0), ("b", 0), ("c", 0)]
    assert hands.heard.messages == ["given_back"] * 3

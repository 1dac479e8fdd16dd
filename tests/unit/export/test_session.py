"""Numbers, templates and what is sent again, without a socket."""

from __future__ import annotations

import struct

import pytest

from consumer.export.header import HEADER, TIME_AND_SEQUENCE, TIME_OFFSET
from consumer.export.outgoing import Outgoing, Sent, Stretch
from consumer.export.session import REMEMBERED_MESSAGES, Session, template_messages
from tests.support.udp import Message, message_batch, read_message

TEMPLATE = struct.pack("!HHHH", 300, 1, 1, 4)
OTHER = struct.pack("!HHHH", 301, 1, 2, 4)
DOMAIN = 7


def session(
    refresh_seconds: float = 300, refresh_messages: int = 4096, size: int = 1400, lead_seconds: float = 0.0
) -> Session:
    return Session(size, refresh_seconds, refresh_messages, lead_seconds)


def read(messages: list[bytearray]) -> list[Message]:
    return [read_message(bytes(message)) for message in messages]


def due(of: Session, now: float, domain: int = DOMAIN, **templates: bytes) -> list[Message]:
    wanted = {int(number.lstrip("_")): record for number, record in templates.items()} or {300: TEMPLATE}
    return read(list(of.due_templates(domain, wanted, 2, now)))


def test_templates_go_before_the_first_data_of_each_domain() -> None:
    told = session()
    assert [message.body for message in due(told, 0.0)] == [TEMPLATE]
    assert due(told, 0.0) == []
    assert [message.domain for message in due(told, 0.0, domain=8)] == [8]


def test_a_new_template_goes_alone_and_a_changed_one_goes_again() -> None:
    told = session()
    due(told, 0.0)
    assert [message.body for message in due(told, 0.1, _301=OTHER)] == [OTHER]
    changed = struct.pack("!HHHH", 300, 1, 1, 8)
    assert [message.body for message in due(told, 0.2, _300=changed)] == [changed]


def test_templates_go_again_after_one_second_then_at_twice_the_interval_up_to_the_setting() -> None:
    told = session(refresh_seconds=5)
    now, moments = 0.0, []
    while now < 22:
        if due(told, now):
            moments.append(now)
        now += 0.25
    assert moments == [0.0, 1.0, 3.0, 7.0, 12.0, 17.0]


def test_what_the_collector_does_not_know_yet_has_a_head_start_and_a_refresh_needs_none() -> None:
    told = session(lead_seconds=0.02)
    due(told, 10.0)
    assert told.lead_left(DOMAIN, 10.0) == pytest.approx(0.02)
    assert told.lead_left(DOMAIN, 10.005) == pytest.approx(0.015)
    assert told.lead_left(DOMAIN, 10.03) == 0.0
    assert len(due(told, 11.5)) == 1
    assert told.lead_left(DOMAIN, 11.5) == 0.0
    due(told, 12.0, _301=OTHER)
    assert told.lead_left(DOMAIN, 12.0) == pytest.approx(0.02)


def test_a_collector_that_may_have_been_started_again_has_its_head_start_again() -> None:
    told = session(lead_seconds=0.02)
    due(told, 10.0)
    told.forget_announcements()
    due(told, 20.0)
    assert told.lead_left(DOMAIN, 20.0) == pytest.approx(0.02)


def test_the_first_message_of_a_session_goes_alone_whatever_domain_comes_second() -> None:
    told = session(size=512, lead_seconds=0.02)
    many = {number: struct.pack("!HH", number, 100) + bytes(400) for number in (300, 301, 302)}
    assert len(list(told.due_templates(DOMAIN, many, 2, 10.0))) == 1
    assert due(told, 10.01, domain=8) == []
    assert told.lead_left(8, 10.01) == pytest.approx(0.01)
    assert len(list(told.due_templates(DOMAIN, many, 2, 10.02))) == 2
    assert len(due(told, 10.02, domain=8)) == 1
    assert told.lead_left(DOMAIN, 10.02) == told.lead_left(8, 10.02) == pytest.approx(0.02)
    assert list(told.due_templates(DOMAIN, many, 2, 10.04)) == []


def test_a_template_that_could_not_be_sent_is_still_to_be_told() -> None:
    told = session()
    assert next(iter(told.due_templates(DOMAIN, {300: TEMPLATE}, 2, 0.0)))
    assert len(due(told, 0.1)) == 1
    assert due(told, 0.2) == []


def test_a_head_start_holds_the_data_of_its_domain_only() -> None:
    told = session(lead_seconds=0.02)
    due(told, 10.0)
    due(told, 10.05, domain=8)
    assert told.lead_left(DOMAIN, 10.05) == 0.0
    assert told.lead_left(8, 10.05) == pytest.approx(0.02)


def test_a_refresh_tells_all_templates_of_the_domain() -> None:
    told = session()
    due(told, 0.0)
    due(told, 0.0, _301=OTHER)
    assert [message.body for message in due(told, 1.0)] == [TEMPLATE + OTHER]


def test_templates_go_again_after_so_many_messages() -> None:
    told = session(refresh_messages=3)
    due(told, 0.0)
    told.note_data(stretch([1, 1]), DOMAIN, 2)
    assert due(told, 0.0) == []
    assert told.allowance(DOMAIN) == 1
    told.note_data(sent(2, records=1), DOMAIN, 1)
    assert len(due(told, 0.0)) == 1


def test_template_messages_keep_the_limit_and_hold_every_record_once() -> None:
    records = [(2, struct.pack("!HH", 256 + i, 20) + bytes(80)) for i in range(40)]
    records.append((3, struct.pack("!HHH", 400, 2, 1) + bytes(8)))
    messages = read(list(template_messages(9, records, 512)))
    assert max(message.length for message in messages) <= 512
    for set_id in (2, 3):
        body = b"".join(message.body for message in messages if message.set_id == set_id)
        assert body == b"".join(record for number, record in records if number == set_id)


def test_a_template_above_the_limit_goes_alone_and_whole() -> None:
    large = struct.pack("!HH", 300, 150) + bytes(600)
    messages = read(list(template_messages(9, [(2, TEMPLATE), (2, large), (2, OTHER)], 512)))
    assert [message.body for message in messages] == [TEMPLATE, large, OTHER]


def sent(number: int, domain: int = DOMAIN, sent_at: float = 0.0, records: int = 10) -> Sent:
    message = bytearray(HEADER.pack(10, 24, 0, number, domain) + struct.pack("!HHI", 300, 8, 0))
    return Sent(domain, number, records, memoryview(message), sent_at)


def stretch(record_counts: list[int], sequence: int = 0) -> Stretch:
    job = Outgoing(message_batch(record_counts, domain=DOMAIN))
    job.stamp(job.count, 0, sequence)
    return Stretch(job, 0, job.count, sequence, 0.0)


def remember(of: Session, *messages: Sent) -> None:
    for message in messages:
        if message.record_count:
            due(of, message.sent_at, domain=message.domain)
            of.note_data(message, message.domain, message.record_count)
        else:
            of.note_template(message)


def test_from_the_first_refused_message_on_everything_is_sent_again_under_its_old_number() -> None:
    told = session()
    remember(told, sent(0), sent(10), sent(0, domain=8), sent(20), sent(10, domain=8))
    again = told.rewind([bytes(sent(20).message)[:20], bytes(sent(10).message)[:20]], now=0.0)
    assert [(message.domain, message.sequence) for message in again] == [(7, 10), (8, 0), (7, 20), (8, 10)]
    assert told.sequences == {7: 10, 8: 0}
    assert told.rewind([bytes(sent(0).message)], now=0.0) == [sent(0)], "what was before it is remembered"


def test_a_refused_template_means_the_data_after_it() -> None:
    told = session()
    template = bytearray(HEADER.pack(10, 28, 0, 10, DOMAIN) + struct.pack("!HH", 2, 12) + TEMPLATE)
    remember(told, sent(0), Sent(DOMAIN, 10, 0, memoryview(template), 0.0), sent(10))
    again = told.rewind([bytes(template)[:20]], now=0.0)
    assert [(message.sequence, message.record_count) for message in again] == [(10, 10)]


def test_a_refusal_that_does_not_say_of_what_means_the_last_second() -> None:
    told = session()
    remember(told, sent(0, sent_at=0.0), sent(10, sent_at=5.0), sent(20, sent_at=5.5))
    again = told.rewind([b"\x00\x0a"], now=5.9)
    assert [message.sequence for message in again] == [10, 20]


def test_a_second_refusal_of_what_waits_to_be_sent_again_changes_nothing() -> None:
    """Between machines the refusals of a burst come one after the other."""
    told = session()
    remember(told, sent(0), sent(10), sent(20))
    assert len(told.rewind([bytes(sent(10).message)], now=0.0)) == 2
    assert told.rewind([bytes(sent(20).message)], now=0.0) == []
    assert told.sequences == {7: 10}


def test_a_refusal_older_than_all_that_is_remembered_means_all_of_it() -> None:
    told = session()
    remember(told, *[sent(10 * number) for number in range(REMEMBERED_MESSAGES + 5)])
    assert len(told.rewind([bytes(sent(0).message)], now=0.0)) == REMEMBERED_MESSAGES


def test_what_is_sent_again_across_two_to_the_thirty_second_keeps_its_numbers() -> None:
    told = session()
    due(told, 0.0)
    both = stretch([10, 10], 2**32 - 5)
    told.note_data(both, DOMAIN, 20)
    assert told.sequences == {7: 15}
    told.rewind([bytes(both.job.message(1))], now=0.0)
    assert told.sequences == {7: 5}


def tell(of: Session, now: float) -> bytearray:
    """Send the template that is due, which is longer than the messages of `sent`."""
    (message,) = of.due_templates(DOMAIN, {300: TEMPLATE}, 2, now)
    number = of.sequences.get(DOMAIN, 0)
    TIME_AND_SEQUENCE.pack_into(message, TIME_OFFSET, 0, number)
    of.note_template(Sent(DOMAIN, number, 0, memoryview(message), now))
    return message


def large(number: int, records: int = 10) -> Sent:
    """A message a little longer than those of `sent`."""
    usual = sent(number, records=records)
    return usual._replace(message=memoryview(bytes(usual.message) + b"\0"))


def test_of_what_a_router_found_too_large_only_the_larger_is_sent_again_and_all_keep_their_numbers() -> None:
    told = session()
    remember(told, large(0), large(10), sent(20), large(30), sent(40))
    room = len(sent(0).message)
    again = told.take_larger(room, [bytes(large(10).message)[:20]], now=0.0)
    assert [message.sequence for message in again] == [10, 30], "before it the way was wide, and the small ones passed"
    assert told.sequences == {7: 50}
    for message in again:
        told.note_data(message, DOMAIN, message.record_count)
    assert told.sequences == {7: 50}, "what comes next is numbered as if nothing had been sent again"


def test_a_message_that_waits_to_be_sent_again_is_not_taken_twice_when_its_own_answer_comes() -> None:
    told = session()
    remember(told, large(0), large(10))
    room = len(sent(0).message)
    assert len(told.take_larger(room, [bytes(large(0).message)[:20]], now=0.0)) == 2
    assert told.take_larger(room, [bytes(large(10).message)[:20]], now=0.0) == []


def test_data_after_news_a_router_found_too_large_was_read_by_nobody_and_goes_again_after_it() -> None:
    told = session()
    template = tell(told, 0.0)
    remember(told, sent(0), sent(10))
    again = told.take_larger(len(template) - 1, [bytes(template)[:20]], now=0.1)
    assert [message.sequence for message in again] == [0, 10]
    assert len(due(told, 0.1)) == 1


def test_a_refresh_a_router_found_too_large_is_due_again_and_costs_no_data() -> None:
    told = session()
    tell(told, 0.0)
    remember(told, sent(0))
    refresh = tell(told, 1.0)
    remember(told, sent(10, sent_at=1.0))
    assert told.take_larger(len(refresh) - 1, [bytes(refresh)[:20]], now=1.1) == []
    assert len(due(told, 1.1)) == 1


def test_another_address_is_another_session_numbered_from_zero() -> None:
    told = session()
    due(told, 0.0)
    remember(told, sent(0))
    told.start_anew()
    assert told.sequences == {}
    assert len(due(told, 0.1)) == 1

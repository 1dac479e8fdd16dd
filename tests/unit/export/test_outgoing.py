"""A batch on its way to a collector: stamps, and what may go in one call. No socket."""

from __future__ import annotations

import pytest

from consumer.export.outgoing import Outgoing, Stretch
from consumer.model.messages import MessageBatch
from tests.support.udp import message_batch, read_message


@pytest.mark.parametrize("count", [1, 100])
@pytest.mark.parametrize("sequence", [0, 2**32 - 100])
def test_every_message_is_stamped_with_time_and_number_and_nothing_else_changes(count: int, sequence: int) -> None:
    batch = message_batch([3, *range(1, count + 1), 3])
    job = Outgoing(batch.copy())
    job.index = 1
    job.stamp(count + 1, 1_700_000_000, sequence)
    expected = sequence
    for index in range(job.count):
        message, original = (read_message(bytes(octets)) for octets in (job.message(index), _original(batch, index)))
        is_stamped = 1 <= index <= count
        assert message.export_time == (1_700_000_000 if is_stamped else 0)
        assert message.sequence == (expected % 2**32 if is_stamped else 0)
        assert (message.body, message.domain, message.length) == (original.body, original.domain, original.length)
        expected += len(message.values) * is_stamped


def _original(batch: MessageBatch, index: int) -> bytes:
    return bytes(batch.buffer[int(batch.starts[index]) : int(batch.starts[index + 1])])


def test_a_stretch_names_each_message_with_its_own_number() -> None:
    job = Outgoing(message_batch([5, 2, 4]))
    sent = list(Stretch(job, 1, 3, 100, 7.0).each())
    assert [(one.sequence, one.record_count, one.domain, one.sent_at) for one in sent] == [
        (100, 2, 7, 7.0),
        (102, 4, 7, 7.0),
    ]
    assert [read_message(bytes(one.message)).values for one in sent] == [[5, 6], [7, 8, 9, 10]]

"""The reading half alone, with the real daemon: an idle child's death, a stop while held up, a leftover, a split."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from consumer.errors import Stopped
from consumer.kcl.processes import process_record, write_record
from consumer.model.delivery import Delivery
from tests.integration.conftest import MakeEstate
from tests.support.estate import Estate, Reader, kill, start_untethered, wait_until

pytestmark = [pytest.mark.jvm, pytest.mark.timeout(180)]


def test_an_idle_childs_death_is_noticed_without_a_record(make_estate: MakeEstate) -> None:
    estate = make_estate()
    with Reader(estate) as reader:
        wait_until(lambda: len(reader.calls) == 1, "the shard is called", 60)
        kill(estate.children()[0])
        print(f"\nnoticed after {wait_until(lambda: bool(reader.restarts), 'the death is noticed', 5):.2f} s")
        before = sum(reader.calls.values())
        wait_until(lambda: sum(reader.calls.values()) > before + 3, "the shard is called again", 30)
    assert "died" in reader.restarts[0]


def test_a_stop_while_a_collector_holds_checkpoints_at_a_record_boundary(make_estate: MakeEstate) -> None:
    estate = make_estate()
    payloads = [f"payload {number:04d}".encode() for number in range(300)]
    estate.put(payloads)
    stop = threading.Event()
    passed: list[bytes] = []

    def process(delivery: Delivery) -> None:
        if len(passed) == 100:  # the collector takes no more, and the exporting process waits for it
            stop.wait(60)
            raise Stopped
        passed.append(delivery.payloads[0])

    with Reader(estate, process=process, stop=stop) as reader:
        wait_until(lambda: len(passed) == 100, "the collector holds", 60)
        seconds = reader.end()
        print(f"\nstopped in {seconds:.1f} s")
    assert seconds < 15
    with Reader(estate) as again:
        wait_until(lambda: len(again.exported) >= 200, "the rest exported", 60)
    assert passed == payloads[:100]
    assert [payload for _, _, payload in again.exported] == payloads[100:]


def test_a_leftover_daemon_is_ended_before_a_new_one_starts(make_estate: MakeEstate) -> None:
    estate = make_estate()
    with Reader(estate) as reader:
        wait_until(lambda: bool(reader.calls), "the first daemon reads", 60)
        command, environment = command_and_environment(estate)
    leftover = start_untethered(command, environment)
    record = process_record(leftover.pid)
    assert record is not None
    write_record(estate.stream_folder / "daemon.json", record)
    try:
        with Reader(estate) as again:
            estate.put([b"new"])
            wait_until(lambda: bool(again.exported), "the new daemon reads", 60)
            assert leftover.poll() is not None
    finally:
        leftover.kill()
        leftover.wait()


def test_a_split_shard_is_finished_before_its_children_begin(make_estate: MakeEstate) -> None:
    estate = make_estate()
    before, after = ([f"{when} {number:03d}".encode() for number in range(100)] for when in ("before", "after"))
    with Reader(estate) as reader:
        estate.put(before)
        wait_until(lambda: len(reader.exported) >= 100, "the parent is read", 60)
        estate.client("kinesis").split_shard(
            StreamName=estate.stream.name, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(1 << 127)
        )
        wait_until(estate.is_active, "the stream is active", 30)
        estate.put(after)
        seconds = wait_until(lambda: len(reader.exported) >= 200, "the children are read", 90)
        print(f"\nrecords of the new shards {seconds:.1f} s after the split")
    assert reader.payloads() == dict.fromkeys([*before, *after], 1)
    assert {shard for _, shard, payload in reader.exported if payload in after} == {
        "shardId-000000000001",
        "shardId-000000000002",
    }
    assert estate.leases()["shardId-000000000000"] == "SHARD_END"
    assert reader.restarts == []


def command_and_environment(estate: Estate) -> tuple[list[str], dict[str, str]]:
    """What the running daemon was started with."""
    folder = Path(f"/proc/{estate.daemon_pid()}")
    command = (folder / "cmdline").read_bytes().decode().rstrip("\0").split("\0")
    variables = (folder / "environ").read_bytes().decode().rstrip("\0").split("\0")
    return command, dict(each.split("=", 1) for each in variables)

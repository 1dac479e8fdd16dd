"""The real child process, with the test on both of its ends."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from consumer.kcl.child import END, HARD_EXIT
from tests.support.child_driver import ChildDriver


@pytest.fixture
def child(tmp_path: Path) -> Iterator[ChildDriver]:
    """A child whose checkpoint interval is never over."""
    with ChildDriver(tmp_path) as driver:
        driver.initialize()
        yield driver


def test_the_hello_names_shard_start_and_processes(child: ChildDriver) -> None:
    assert child.hello == {
        "shard": "shardId-000000000007",
        "sequence": "TRIM_HORIZON",
        "sub": 0,
        "pid": child.pid,
        "daemon": os.getpid(),
    }


def test_records_reach_the_agent_as_the_daemon_sent_them(child: ChildDriver) -> None:
    child.tell_records(b"one", b"two")
    message = child.records()
    assert [entry["sequenceNumber"] for entry in message["records"]] == ["1", "2"]
    assert [entry["data"] for entry in message["records"]] == ["b25l", "dHdv"]
    assert message["millisBehindLatest"] == 0


def test_the_daemon_is_not_answered_before_the_agent_has_answered(child: ChildDriver) -> None:
    child.tell_records(b"one")
    child.records()
    assert child.process.stdout is not None
    os.set_blocking(child.process.stdout.fileno(), False)
    assert child.process.stdout.read() is None
    os.set_blocking(child.process.stdout.fileno(), True)
    child.answer(1)
    child.heard_status("processRecords")


def test_within_the_interval_nothing_is_checkpointed(child: ChildDriver) -> None:
    child.tell_records(b"one")
    child.records()
    child.answer(1)
    child.heard_status("processRecords")


def test_after_the_interval_the_agents_number_is_checkpointed_and_not_the_last_delivered(tmp_path: Path) -> None:
    with ChildDriver(tmp_path, checkpoint_seconds=0.0) as child:
        child.initialize()
        child.tell_records(b"one", b"two", b"three")
        child.records()
        child.answer(2, complete=True)
        assert child.checkpointed() == "2"
        child.heard_status("processRecords")


def test_nothing_exported_yet_checkpoints_nothing(tmp_path: Path) -> None:
    with ChildDriver(tmp_path, checkpoint_seconds=0.0) as child:
        child.initialize()
        child.tell_records()
        child.records()
        child.answer(None)
        child.heard_status("processRecords")


def test_the_same_number_is_not_checkpointed_twice(tmp_path: Path) -> None:
    with ChildDriver(tmp_path, checkpoint_seconds=0.0) as child:
        child.initialize()
        for expected in (["1"], []):
            child.tell_records(b"one")
            child.records()
            child.answer(1)
            assert [child.checkpointed() for _ in expected] == expected
            child.heard_status("processRecords")


def test_a_stopping_agents_number_is_checkpointed_at_once_and_nothing_more_is_handed_over(child: ChildDriver) -> None:
    child.tell_records(b"one", b"two", b"three")
    child.records()
    child.answer(2, complete=False)
    assert child.checkpointed() == "2"
    child.heard_status("processRecords")
    child.tell_records(b"four", first=4)
    child.heard_status("processRecords")  # without a frame to the agent: answering is not its turn
    child.tell("shutdownRequested")
    assert child.frame() == (END, bytearray(b"shutdown requested"))
    child.heard_status("shutdownRequested")


def test_a_requested_shutdown_checkpoints_what_is_exported(child: ChildDriver) -> None:
    child.tell_records(b"one")
    child.records()
    child.answer(1)
    child.heard_status("processRecords")
    child.tell("shutdownRequested")
    assert child.checkpointed() == "1"
    child.heard_status("shutdownRequested")
    child.tell("leaseLost")
    child.heard_status("leaseLost")
    child.close_stdin()
    assert child.exit_code() == 0


def test_a_throttled_last_checkpoint_is_tried_again(child: ChildDriver) -> None:
    child.tell_records(b"one")
    child.records()
    child.answer(1)
    child.heard_status("processRecords")
    child.tell("shutdownRequested")
    assert child.checkpointed(error="ThrottlingException") == "1"
    assert child.checkpointed() == "1"
    child.heard_status("shutdownRequested")


def test_a_finished_shard_is_checkpointed_as_finished(child: ChildDriver) -> None:
    child.tell_records(b"one")
    child.records()
    child.answer(1)
    child.heard_status("processRecords")
    child.tell("shardEnded", checkpoint=None)
    assert child.checkpointed() is None
    assert child.frame() == (END, bytearray(b"shard ended"))
    child.heard_status("shardEnded")


def test_a_finished_shard_that_is_not_exported_to_its_end_ends_hard(child: ChildDriver) -> None:
    child.tell_records(b"one", b"two")
    child.records()
    child.answer(1, complete=False)
    child.checkpointed()
    child.heard_status("processRecords")
    child.tell("shardEnded", checkpoint=None)
    assert child.exit_code() == HARD_EXIT
    assert "not exported to its end" in child.said()


def test_a_lost_lease_is_never_checkpointed(child: ChildDriver) -> None:
    child.tell_records(b"one")
    child.records()
    child.answer(1)
    child.heard_status("processRecords")
    child.tell("leaseLost")
    child.heard_status("leaseLost")
    assert child.frame() == (END, bytearray(b"lease lost"))


def test_a_lease_found_lost_at_a_checkpoint_ends_the_checkpoints_quietly(tmp_path: Path) -> None:
    with ChildDriver(tmp_path, checkpoint_seconds=0.0) as child:
        child.initialize()
        child.tell_records(b"one")
        child.records()
        child.answer(1)
        child.checkpointed(error="ShutdownException")
        child.heard_status("processRecords")
        child.tell_records(b"two", first=2)
        child.heard_status("processRecords")


def test_a_checkpoint_that_cannot_work_ends_hard(tmp_path: Path) -> None:
    with ChildDriver(tmp_path, checkpoint_seconds=0.0) as child:
        child.initialize()
        child.tell_records(b"one")
        child.records()
        child.answer(1)
        child.checkpointed(error="InvalidStateException")
        assert child.exit_code() == HARD_EXIT


def test_a_throttled_checkpoint_is_left_for_the_next_call(tmp_path: Path) -> None:
    with ChildDriver(tmp_path, checkpoint_seconds=0.0) as child:
        child.initialize()
        for error in ("ThrottlingException", None):
            child.tell_records(b"one")
            child.records()
            child.answer(1)
            assert child.checkpointed(error=error) == "1"
            child.heard_status("processRecords")


def test_the_end_of_the_agent_ends_an_idle_child_hard(child: ChildDriver) -> None:
    child.link.close()
    assert child.exit_code() == HARD_EXIT


def test_the_end_of_the_agent_ends_a_waiting_child_hard(child: ChildDriver) -> None:
    child.tell_records(b"one")
    child.records()
    child.link.close()
    assert child.exit_code() == HARD_EXIT
    assert child.process.stdout is not None
    assert child.process.stdout.read() == b"", "the daemon must not hear that the records are done"


def test_the_end_of_the_daemon_ends_a_waiting_child_hard(child: ChildDriver) -> None:
    child.tell_records(b"one")
    child.records()
    child.close_stdin()
    assert child.exit_code() == HARD_EXIT


def test_the_end_of_the_daemon_ends_an_idle_child(child: ChildDriver) -> None:
    child.close_stdin()
    assert child.exit_code() == 0


def test_an_answer_it_does_not_understand_ends_it_hard_without_a_word_to_the_daemon(child: ChildDriver) -> None:
    child.tell_records(b"one")
    child.records()
    child.link.sendall(b"A" + (2).to_bytes(4, "big") + b"{}")
    assert child.exit_code() == HARD_EXIT
    assert "KeyError" in child.said()
    assert child.process.stdout is not None
    assert child.process.stdout.read() == b""


def test_a_child_that_finds_no_agent_ends_hard(tmp_path: Path) -> None:
    with ChildDriver(tmp_path) as child:
        child._listener.close()
        child.tell("initialize", shardId="shardId-0", sequenceNumber="LATEST", subSequenceNumber=0)
        assert child.exit_code() == HARD_EXIT


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ignores_the_signals_a_service_manager_sends_to_the_group(
    child: ChildDriver, number: signal.Signals
) -> None:
    os.kill(child.pid, number)
    child.tell_records(b"one")
    child.records()
    child.answer(1)
    child.heard_status("processRecords")


def test_a_print_cannot_reach_the_wire(child: ChildDriver) -> None:
    assert child.open_file(1) == child.open_file(2)


def test_it_imports_nothing_heavy_and_nothing_of_ours(tmp_path: Path) -> None:
    with ChildDriver(tmp_path, flags=["-v"]) as child:
        child.initialize()
        child.tell_records(b"one")
        child.records()
        child.answer(1)
        child.heard_status("processRecords")
        child.close_stdin()
        imported = set(re.findall(r"^import '([\w.]+)'", child.said(), flags=re.MULTILINE))
    assert "amazon_kclpy.kcl" in imported
    heavy = {
        "numpy",
        "pyarrow",
        "boto3",
        "botocore",
        "numba",
        "pydantic",
        "orjson",
        "consumer",
        "asyncio",
        "typing_extensions",
    }
    assert not {name.partition(".")[0] for name in imported} & heavy


def test_it_stays_small_idle_and_under_load(child: ChildDriver) -> None:
    """Decision 12: at most 25 MB idle and 80 MB under load (10 MB of records, the most one read of Kinesis gives)."""
    idle_kib = child.memory_kib("VmRSS")
    payload = os.urandom(20_000)
    for number in range(3):
        child.tell_records(*[payload] * 500, first=1 + 500 * number)
        child.records()
        child.answer(500 * (number + 1))
        child.heard_status("processRecords")
    peak_kib = child.memory_kib("VmHWM")
    print(f"\nchild: {idle_kib / 1024:.1f} MiB idle, {peak_kib / 1024:.1f} MiB at most")
    assert idle_kib <= 25_000
    assert peak_kib <= 80_000

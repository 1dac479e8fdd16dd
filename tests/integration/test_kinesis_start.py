"""Starting with the real daemon: seeded, unseeded, by fan-out, after a stop or a leftover, in a path with blanks."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from consumer.kcl.processes import process_record, write_record
from consumer.kcl.properties import application_name
from tests.integration.conftest import MakeEstate
from tests.support.estate import Estate, Reader, start_untethered, wait_until

pytestmark = [pytest.mark.jvm, pytest.mark.timeout(1200)]

MEMBER, STRANGER = "222222222222", "333333333333"
PAYLOADS = [f"payload {number:04d}".encode() for number in range(200)]


def run_command(estate: Estate, *arguments: str) -> str:
    """`vpcflow kcl …` for the estate's stream; what it printed."""
    file = estate.folder / "kcl.toml"
    stream = estate.stream
    file.write_text(
        f'[[streams]]\nname = "{stream.name}"\nregion = "{stream.region}"\nretrieval = "{stream.retrieval}"\n'
    )
    command = [sys.executable, "-m", "consumer.cli", "kcl", *arguments, "-c", str(file)]
    done = subprocess.run(command, env=estate.environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_restart_resends_nothing_and_ends_a_leftover_daemon_first(make_estate: MakeEstate, tmp_path: Path) -> None:
    """Seeded, and from a folder with blanks. The leftover would take the leases of the worker id both have."""
    estate = make_estate(shards=2, folder=tmp_path / "a checkout with blanks")
    estate.put(PAYLOADS)
    with Reader(estate) as reader:
        seconds = wait_until(lambda: len(reader.exported) >= len(PAYLOADS), "all records exported", 180)
        print(f"\nseeded start: all {len(PAYLOADS)} records after {seconds:.1f} s")
        command, environment = command_and_environment(estate)
    print(f"stop took {reader.end():.1f} s")
    assert reader.payloads() == dict.fromkeys(PAYLOADS, 1)
    assert estate.daemons() == []
    leftover = start_untethered(command, environment)
    record = process_record(leftover.pid)
    assert record is not None
    write_record(estate.stream_folder / "daemon.json", record)
    try:
        with Reader(estate) as again:
            estate.put([b"new"])
            seconds = wait_until(lambda: bool(again.exported), "the new record exported", 180)
            print(f"restart with the same worker id: first record after {seconds:.1f} s")
            assert leftover.poll() is not None
            wait_until(lambda: len(again.calls) == 2 and min(again.calls.values()) > 3, "both shards called", 120)
    finally:
        leftover.kill()
        leftover.wait()
    assert again.payloads() == {b"new": 1}


def command_and_environment(estate: Estate) -> tuple[list[str], dict[str, str]]:
    """What the running daemon was started with."""
    folder = Path(f"/proc/{estate.daemon_pid()}")
    command = (folder / "cmdline").read_bytes().decode().rstrip("\0").split("\0")
    variables = (folder / "environ").read_bytes().decode().rstrip("\0").split("\0")
    return command, dict(each.split("=", 1) for each in variables)


def test_an_unseeded_start_a_fan_out_and_a_streams_own_role_each_read_all(make_estate: MakeEstate) -> None:
    """Three daemons side by side: the unseeded one waits for its first lease for a minute."""
    unseeded, fanout = make_estate(seeded=False), make_estate(retrieval="fanout")
    with Reader(unseeded) as first:
        wait_until((unseeded.stream_folder / "first-start").exists, "the first start is kept", 90)
        wait_until(lambda: any("started" in reason for _, _, reason in first.states), "the daemon starts", 120)
        unseeded.put(PAYLOADS)  # long before the first lease is taken: LATEST would skip them
        a_fan_out_delivers_and_its_consumer_can_be_removed(fanout)
        a_stream_is_read_with_its_role_and_the_leases_stay_at_home(make_estate)
        seconds = wait_until(lambda: len(first.exported) >= len(PAYLOADS), "what came after the first start", 180)
        print(f"\nunseeded start: all records {seconds:.1f} s after the others were done")
    assert first.payloads() == dict.fromkeys(PAYLOADS, 1)


def a_fan_out_delivers_and_its_consumer_can_be_removed(estate: Estate) -> None:
    estate.put(PAYLOADS)
    with Reader(estate) as reader:
        seconds = wait_until(lambda: len(reader.exported) >= len(PAYLOADS), "all records by fan-out", 180)
        print(f"\nfan-out: all records after {seconds:.1f} s")
    assert reader.payloads() == dict.fromkeys(PAYLOADS, 1)
    ours = application_name(estate.kcl, estate.stream)
    [listed] = orjson.loads(run_command(estate, "consumers", "list"))
    assert (listed["consumer"], listed["ours"], listed["wanted"]) == (ours, True, True)
    assert "kept" in run_command(estate, "consumers", "deregister")
    polling = replace(estate, stream=estate.stream.model_copy(update={"retrieval": "polling"}))
    assert f"removed {ours}" in run_command(polling, "consumers", "deregister")
    wait_until(lambda: orjson.loads(run_command(polling, "consumers", "list")) == [], "the consumer is gone", 90)


def a_stream_is_read_with_its_role_and_the_leases_stay_at_home(make_estate: MakeEstate) -> None:
    """The agent's own key is of an account that does not have the stream (kinesis-local takes 12 digits for one)."""
    estate = make_estate(role=f"arn:aws:iam::{MEMBER}:role/reader,external=id,with:every/thing")
    estate.put(PAYLOADS)
    settings = orjson.dumps({"region": estate.stream.region, "session_seconds": 900})
    with Reader(estate, environment={"AWS_ACCESS_KEY_ID": STRANGER}, aws_settings=settings) as reader:
        wait_until(lambda: len(reader.exported) >= len(PAYLOADS), "all records with the stream's role", 180)
    assert reader.payloads() == dict.fromkeys(PAYLOADS, 1)
    assert all(checkpoint.isdigit() for checkpoint in estate.leases().values())
    given = (estate.stream_folder / "kinesis.properties").read_text()
    assert "AwsCredentialsProvider = ProfileCredentialsProvider|vpcflow-stream" in given
    stranger = estate.client("kinesis", access_key=STRANGER)
    with pytest.raises(stranger.exceptions.ResourceNotFoundException):
        stranger.describe_stream_summary(StreamName=estate.stream.name)

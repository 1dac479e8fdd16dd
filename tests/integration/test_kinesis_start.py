"""Starting with the real daemon: seeded, unseeded, by fan-out, from a path with a blank, and after a clean stop."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from consumer.kcl.properties import application_name
from tests.integration.conftest import MakeEstate
from tests.support.estate import Estate, Reader, wait_until

pytestmark = [pytest.mark.jvm, pytest.mark.timeout(240)]

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
    done = subprocess.run(command, env=estate.environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_seeded_start_exports_every_record_once_and_a_restart_resends_nothing(make_estate: MakeEstate) -> None:
    estate = make_estate(shards=2)
    estate.put(PAYLOADS)
    with Reader(estate) as reader:
        seconds = wait_until(lambda: len(reader.exported) >= len(PAYLOADS), "all records exported", 60)
        print(f"\nseeded start: all {len(PAYLOADS)} records after {seconds:.1f} s")
    print(f"stop took {reader.end():.1f} s")
    assert reader.payloads() == dict.fromkeys(PAYLOADS, 1)
    assert estate.daemons() == []
    with Reader(estate) as again:
        estate.put([b"new"])
        seconds = wait_until(lambda: bool(again.exported), "the new record exported", 60)
        print(f"restart with the same worker id: first record after {seconds:.1f} s")
        wait_until(lambda: len(again.calls) == 2 and min(again.calls.values()) > 3, "both shards called", 30)
    assert again.payloads() == {b"new": 1}


def test_an_unseeded_first_start_reads_what_came_after_it(make_estate: MakeEstate) -> None:
    estate = make_estate(shards=1, seeded=False)
    with Reader(estate) as reader:
        wait_until((estate.stream_folder / "first-start").exists, "the first start is kept", 10)
        wait_until(lambda: any("started" in reason for _, _, reason in reader.states), "the daemon starts", 30)
        estate.put(PAYLOADS)  # long before the first lease is taken: LATEST would skip them
        seconds = wait_until(lambda: len(reader.exported) >= len(PAYLOADS), "all records exported", 180)
        print(f"\nunseeded start: all records after {seconds:.1f} s")
    assert reader.payloads() == dict.fromkeys(PAYLOADS, 1)


def test_fan_out_delivers_and_its_consumer_can_be_removed(make_estate: MakeEstate) -> None:
    estate = make_estate(retrieval="fanout")
    estate.put(PAYLOADS)
    with Reader(estate) as reader:
        seconds = wait_until(lambda: len(reader.exported) >= len(PAYLOADS), "all records exported", 120)
        print(f"\nfan-out: all records after {seconds:.1f} s")
    assert reader.payloads() == dict.fromkeys(PAYLOADS, 1)
    ours = application_name(estate.kcl, estate.stream)
    [listed] = orjson.loads(run_command(estate, "consumers", "list"))
    assert (listed["consumer"], listed["ours"], listed["wanted"]) == (ours, True, True)
    assert "kept" in run_command(estate, "consumers", "deregister")
    polling = replace(estate, stream=estate.stream.model_copy(update={"retrieval": "polling"}))
    assert f"removed {ours}" in run_command(polling, "consumers", "deregister")
    wait_until(lambda: orjson.loads(run_command(polling, "consumers", "list")) == [], "the consumer is gone", 30)


def test_kinesis_is_read_with_the_streams_role_and_the_leases_stay_at_home(make_estate: MakeEstate) -> None:
    """The agent's own key is of an account that does not have the stream (kinesis-local takes 12 digits for one)."""
    role = f"arn:aws:iam::{MEMBER}:role/reader,external=id,with:every/thing"
    estate = make_estate(role=role)
    estate.put(PAYLOADS)
    settings = orjson.dumps({"region": estate.stream.region, "session_seconds": 900})
    with Reader(estate, environment={"AWS_ACCESS_KEY_ID": STRANGER}, aws_settings=settings) as reader:
        wait_until(lambda: len(reader.exported) >= len(PAYLOADS), "all records exported", 60)
    assert reader.payloads() == dict.fromkeys(PAYLOADS, 1)
    assert all(checkpoint.isdigit() for checkpoint in estate.leases().values())
    given = (estate.stream_folder / "kinesis.properties").read_text()
    assert "AwsCredentialsProvider = ProfileCredentialsProvider|vpcflow-stream" in given
    stranger = estate.client("kinesis", access_key=STRANGER)
    with pytest.raises(stranger.exceptions.ResourceNotFoundException):
        stranger.describe_stream_summary(StreamName=estate.stream.name)


def test_every_path_may_hold_a_blank(make_estate: MakeEstate, tmp_path: Path) -> None:
    estate = make_estate(folder=tmp_path / "a checkout with blanks")
    estate.put(PAYLOADS)
    with Reader(estate) as reader:
        wait_until(lambda: len(reader.exported) >= len(PAYLOADS), "all records exported", 60)
    assert reader.payloads() == dict.fromkeys(PAYLOADS, 1)

"""`vpcflow backfill` as its users run it, on moto's S3: what was asked for, once, and on from where it was killed."""

from __future__ import annotations

import gzip
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest

from consumer.collect.flow import read_flow
from consumer.collect.listen import Listener
from consumer.collect.names import known_elements
from consumer.collect.session import CollectingProcess
from consumer.export.settings import Destination
from consumer.model.log_format import LogFormat
from tests.support.commands import Answer, run_command
from tests.support.emulated_estate import MotoServer
from tests.support.flow_bucket import ACCOUNT, HEADER, REGION, FlowBucket, lines, packed
from tests.support.parquet_files import parquet_object
from tests.support.udp import take_all

PEN = 32473
PLAIN = f"AWSLogs/{ACCOUNT}/vpcflowlogs/{REGION}"
HIVE = f"copies/AWSLogs/aws-account-id={ACCOUNT}/aws-service=vpcflowlogs/aws-region={REGION}"


def name(stamp: str, number: int, ending: str = "log.gz", flow_log: str = "fl-0123456789abcdef0") -> str:
    return f"{ACCOUNT}_vpcflowlogs_{REGION}_{flow_log}_{stamp}Z_{number:08x}.{ending}"


@dataclass
class Collected:
    """A collecting process that keeps datagrams first and reads them later, so that it keeps up on a busy machine."""

    listener: Listener
    datagrams: list[tuple[bytes, Any]] = field(default_factory=list)

    def take(self) -> int:
        """How many datagrams there are now."""
        self.datagrams += self.listener.take(0.3)
        return len(self.datagrams)

    def numbers(self) -> Counter[int]:
        """How often each record came, by its byte count, which names it; once nobody sends any more."""
        self.datagrams += take_all(self.listener)
        sessions: dict[Any, CollectingProcess] = {}
        numbers: Counter[int] = Counter()
        for data, sender in self.datagrams:
            received = sessions.setdefault(sender, CollectingProcess(known_elements(PEN))).read(data, sender)
            flows = [flow for record in received.records if (flow := read_flow(record.values))]
            numbers.update(flow.octets for flow in flows if flow.octets is not None)
        return numbers


@dataclass
class Stage:
    """A bucket, a collector, and the command between them."""

    bucket: FlowBucket
    collected: Collected

    def command(self, *more: str) -> list[str]:
        return [
            sys.executable, "-m", "consumer.cli", "backfill", "--bucket", self.bucket.bucket, "--region", REGION,
            "--collector", f"127.0.0.1:{self.collected.listener.port}", *more,
        ]  # fmt: skip

    def run(self, *more: str) -> Answer:
        """To its end, in this process."""
        return run_command(*self.command(*more)[3:])

    def start(self, *more: str) -> subprocess.Popen[bytes]:
        """As a process of its own, to be killed."""
        return subprocess.Popen(self.command(*more), stdout=subprocess.PIPE, stderr=subprocess.PIPE, process_group=0)


@pytest.fixture
def stage(moto: MotoServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    for variable, value in {
        "AWS_ENDPOINT_URL": moto.endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EC2_METADATA_DISABLED": "true",
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    with Listener(Destination("127.0.0.1", 0)) as listener:
        yield Stage(FlowBucket(moto.endpoint, announces=False), Collected(listener))


DAY = ("--from", "2026-11-20", "--to", "2026-11-21")


def test_objects_of_the_asked_days_are_sent_in_every_layout_and_shape_and_nothing_else(stage: Stage) -> None:
    text = HEADER + lines(300, 100)
    rows = text.decode().splitlines()
    for key, content in {
        f"{PLAIN}/2026/11/20/{name('20261120T0005', 1)}": packed(0, 100),
        f"{PLAIN}/2026/11/20/17/{name('20261120T1705', 2)}": packed(100, 100),
        f"{HIVE}/year=2026/month=11/day=20/hour=03/{name('20261120T0305', 3)}": packed(200, 100),
        f"{HIVE}/year=2026/month=11/day=20/{name('20261120T0310', 4, 'log.parquet')}": parquet_object(
            rows[1:], LogFormat.from_text(rows[0])
        ),
        f"copied/{name('20261120T0315', 5)}": packed(400, 100),
        f"{PLAIN}/2026/11/19/{name('20261119T2355', 6)}": packed(5_000, 10),
        f"{PLAIN}/2026/11/21/{name('20261121T0000', 7)}": packed(6_000, 10),
        f"{PLAIN}/2025/11/20/{name('20251120T0005', 8)}": packed(7_000, 10),
        f"{PLAIN}/2026/11/20/{name('20261120T0015', 9, flow_log='fl-00000000000000001')}": packed(8_000, 10),
        f"AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/2026/11/20/x.json.gz": gzip.compress(b"{}"),
    }.items():
        stage.bucket.put(key, content)

    code, summary, said = stage.run(*DAY, "--flow-log", "fl-0123456789abcdef0")

    assert code == 0, said
    assert summary["objects"] == {"exported": 5, "skipped_not_chosen": 1}
    assert (summary["lines"], summary["exported"], summary["records"]) == (500, 500, 500)
    assert "6 of 6 objects, 500 records" in said
    assert stage.collected.numbers() == Counter(range(500))


def test_a_second_run_sends_nothing_and_anew_sends_all_again(stage: Stage) -> None:
    stage.bucket.put(f"{PLAIN}/2026/11/20/{name('20261120T0005', 1)}", packed(0, 50))

    assert stage.run(*DAY).summary["records"] == 50
    code, summary, _ = stage.run(*DAY)
    assert (code, summary["objects"], summary["records"]) == (0, {"repeated": 1}, 0)
    assert stage.run(*DAY, "--anew").summary["records"] == 50


def test_killed_in_the_middle_it_goes_on_and_loses_nothing(stage: Stage) -> None:
    count, chunk = 23_000, 20_500
    stage.bucket.put(f"{PLAIN}/2026/11/20/{name('20261120T0005', 1)}", packed(0, count))
    stage.bucket.put(f"{PLAIN}/2026/11/20/{name('20261120T0010', 2)}", packed(count, count))
    with stage.start(*DAY, "--rate", "8000") as process:
        try:
            until(lambda: stage.collected.take() > 500, "the first datagrams")
        finally:
            process.kill()
    before = stage.collected.numbers().total()
    assert before < 2 * count, "it was killed too late to prove anything"

    code, summary, said = stage.run(*DAY)

    numbers = stage.collected.numbers()
    lost, repeats = 2 * count - len(numbers), numbers.total() - len(numbers)
    print(f"killed after {before} of {2 * count} records: {lost} lost, {repeats} repeats")
    assert code == 0, said
    assert lost == 0
    assert repeats == before + summary["exported"] - 2 * count
    assert repeats <= 2 * chunk, "more than the chunks that two workers had at hand"


def test_an_interrupt_ends_it_between_two_chunks_and_nothing_is_sent_twice(stage: Stage) -> None:
    count = 61_500  # three chunks: seven seconds from the first datagrams to where the last one begins
    stage.bucket.put(f"{PLAIN}/2026/11/20/{name('20261120T0005', 1)}", packed(0, count))
    with stage.start(*DAY, "--rate", "8000") as process:
        until(lambda: stage.collected.take() > 300, "the first datagrams")
        process.send_signal(signal.SIGINT)
        out, said = process.communicate(timeout=100)
    first = orjson.loads(out)
    assert "vpcflow: 0 of 1 objects" in said.decode(), "what was interrupted is not done"
    assert "vpcflow: interrupted; the same command goes on from here" in said.decode()
    assert (process.returncode, first["interrupted"]) == (130, True)
    assert 0 < first["exported"] < count

    assert stage.run(*DAY).summary["exported"] == count - first["exported"]

    assert stage.collected.numbers() == Counter(range(count))


def test_a_broken_object_is_a_count_and_with_strict_an_exit_code(stage: Stage) -> None:
    stage.bucket.put(f"{PLAIN}/2026/11/20/{name('20261120T0005', 1)}", packed(0, 500)[:-30])

    assert stage.run(*DAY).code == 0
    code, summary, _ = stage.run(*DAY, "--strict", "--anew")
    assert (code, summary["objects"], summary["payloads"]) == (1, {"faulty": 1}, {"bad_gzip": 1})


def test_a_bucket_that_is_not_there_is_told_by_name_with_what_to_do(stage: Stage) -> None:
    stage.bucket.bucket = "no-such-bucket"

    code, summary, said = stage.run(*DAY)

    assert (code, summary) == (2, {})
    assert "--bucket = 'no-such-bucket': does not exist" in said
    assert "vpcflow discover" in said


def test_where_nothing_lies_it_says_so(stage: Stage) -> None:
    code, summary, said = stage.run(*DAY, "--prefix", "AWSLog/")

    assert (code, summary["objects"]) == (0, {})
    assert f"{stage.bucket.bucket}/AWSLog/ holds no flow log object of that time" in said


def test_all_faults_of_the_command_line_are_told_at_once(stage: Stage) -> None:
    code, _, said = run_command("backfill", "--bucket=s3://b", "--from=2026-11-21", "--to=2026-11-20")

    assert code == 2
    assert all(option in said for option in ("--bucket", "--collector", "--from"))


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come"

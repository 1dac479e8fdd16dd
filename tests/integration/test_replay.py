"""`vpcflow replay` as its users run it: what goes in is accounted for, line by line, whatever it is."""

from __future__ import annotations

import gzip
import json
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from consumer.collect.flow import Flow, read_flow
from consumer.collect.listen import Listener
from consumer.collect.names import known_elements
from consumer.collect.session import CollectingProcess
from consumer.export.settings import Destination
from consumer.model.log_format import LogFormat
from tests.support.commands import Answer, run_command
from tests.support.parquet_files import parquet_object
from tests.support.udp import take_all

PEN = 32473
GOOD = "2 123456789010 eni-1235b8ca 172.31.16.139 172.31.16.21 {port} 22 6 20 4249 1418530010 1418530070 ACCEPT OK"
HEADER = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
)


@dataclass
class Collected:
    """A collecting process of the test's own machine."""

    listener: Listener

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.listener.port}"

    def flows(self) -> list[Flow]:
        """Everything that has arrived until now."""
        process = CollectingProcess(known_elements(PEN))
        found = []
        for data, sender in take_all(self.listener):
            received = process.read(data, sender)
            assert not received.problems
            assert not received.lost
            found += [flow for record in received.records if (flow := read_flow(record.values))]
        return found


@pytest.fixture
def collector() -> Iterator[Collected]:
    with Listener(Destination("127.0.0.1", 0)) as listener:
        yield Collected(listener)


def replay(*arguments: str | Path, given: bytes | None = None) -> Answer:
    """Run to the end in this process."""
    return run_command("replay", *arguments, given=given)


def replay_within(memory_mb: int, *arguments: str | Path) -> Answer:
    """As a process of its own that can allocate no more than this."""
    limit = (memory_mb << 20, memory_mb << 20)
    done = subprocess.run(
        [sys.executable, "-m", "consumer.cli", "replay", *map(str, arguments)],
        capture_output=True,
        timeout=500,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, limit),
    )
    return Answer(done.returncode, orjson.loads(done.stdout) if done.stdout else {}, done.stderr.decode())


def is_balanced(summary: dict[str, Any]) -> bool:
    gone = sum(summary["dropped"].values()) + sum(summary["quarantined"].values())
    return bool(summary["lines"] == summary["exported"] + gone)


def envelope(*messages: str, **changes: object) -> bytes:
    events = [{"id": f"{n:056d}", "timestamp": 1418530010000, "message": text} for n, text in enumerate(messages)]
    head = {
        "messageType": "DATA_MESSAGE",
        "owner": "123456789010",
        "logGroup": "/vpc/flow",
        "logStream": "eni-1235b8ca-all",
        "subscriptionFilters": ["all"],
        "logEvents": events,
    }
    return json.dumps({**head, **changes}, separators=(",", ":")).encode()


def test_every_shape_of_file_arrives_flow_by_flow(tmp_path: Path, collector: Collected) -> None:
    lines = [GOOD.format(port=port) for port in range(1000, 1012)]
    shapes = {
        "with-header.log": "\n".join([HEADER, *lines[:2]]).encode(),
        "with-header.log.gz": gzip.compress("\n".join([HEADER, *lines[2:4], ""]).encode()),
        "headerless.log": ("\n".join(lines[4:6]) + "\n").encode(),
        "windows.log": ("\r\n".join([HEADER, *lines[6:8]]) + "\r\n").encode(),
        "envelope.json": envelope(*lines[8:10]),
        "envelope.gz": gzip.compress(envelope(*lines[10:12])),
    }
    files = []
    for name, content in shapes.items():
        (tmp_path / name).write_bytes(content)
        files.append(tmp_path / name)
    code, summary, _ = replay(*files, "--collector", collector.address, "--dead-letter", tmp_path / "dead", "--strict")
    assert code == 0, summary
    assert (summary["lines"], summary["exported"], summary["records"]) == (12, 12, 12)
    flows = collector.flows()
    assert sorted(flow.source_port for flow in flows) == list(range(1000, 1012))
    assert {(flow.octets, flow.packets, flow.verdict) for flow in flows} == {(4249, 20, "ACCEPT")}


def test_parquet_arrives_flow_by_flow_and_its_faults_are_counted(tmp_path: Path, collector: Collected) -> None:
    log_format = LogFormat.from_text(HEADER)
    lines = [GOOD.format(port=port) for port in range(1000, 1040)]
    lines[7] = lines[7].replace("172.31.16.21", "172.31.16.321")
    content = parquet_object(lines, log_format, row_group_size=10)
    (tmp_path / "flows.log.parquet").write_bytes(content)
    (tmp_path / "broken.log.parquet").write_bytes(content[:-100])
    letter = tmp_path / "dead"
    code, summary, _ = replay(
        tmp_path / "flows.log.parquet",
        tmp_path / "broken.log.parquet",
        "-",
        "--collector",
        collector.address,
        "--dead-letter",
        letter,
        given=parquet_object(lines[:5], log_format),
    )
    assert code == 0
    assert is_balanced(summary)
    assert summary["quarantined"] == {"bad_address": 1}
    assert summary["payloads"] == {"bad_parquet": 1}
    assert orjson.loads(letter.read_bytes())["line"] == lines[7]
    expected = [port for port in range(1000, 1040) if port != 1007] + list(range(1000, 1005))
    assert sorted(flow.source_port for flow in collector.flows()) == sorted(expected)


def test_what_other_programs_wrote_arrives_flow_by_flow(tmp_path: Path, collector: Collected) -> None:
    lines = [GOOD.format(port=port) for port in range(1000, 1014)]
    time = "2026-03-04T05:06:07.000Z"
    envelopes = [gzip.compress(envelope(line)) for line in lines[2:4]]
    table = [",".join(f'"{cell}"' for cell in row.split()) for row in (HEADER.replace("-", "_"), lines[8])]
    records = [json.dumps(dict(zip(HEADER.split(), line.split(), strict=True))) for line in lines[12:]]
    exported = "".join(f"{time} {line}\n" for line in lines[:2])
    shapes = {
        "exportedlogs/task/eni-1235b8ca-all/000000.gz": gzip.compress(exported.encode()),
        "firehose/2026/03/04/05/flows-1": b"".join(envelopes),
        "firehose/2026/03/04/05/flows-2.gz": gzip.compress(gzip.compress(envelope(lines[4]) + envelope(lines[5]))),
        "tail.txt": f"{time} eni-1235b8ca-all {lines[6]}\n".encode(),
        "powershell.txt": lines[7].encode("utf-16"),
        "athena.csv": "\n".join(table).encode(),
        "insights.csv": f"@timestamp,@message\n2026-03-04 05:06:07.000,{lines[9]}\n".encode(),
        "events.txt": f"EVENTS\t7\t1\teni-1235b8ca-all\t{lines[10]}\t1\nSEARCHEDLOGSTREAMS\tx\tTrue\n".encode(),
        "messages.json": json.dumps(lines[11:12], indent=4).encode(),
        "records.json": "\n".join(records).encode(),
    }  # fmt: skip
    for name, content in shapes.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(content)
    code, summary, said = replay(
        tmp_path / "in", "--collector", collector.address, "--dead-letter", tmp_path / "dead", "--strict"
    )
    assert (code, said) == (0, ""), summary
    assert sorted(flow.source_port for flow in collector.flows()) == list(range(1000, 1014))


def test_each_reason_is_told_with_where_it_was_met_and_what_to_do(tmp_path: Path, collector: Collected) -> None:
    (tmp_path / "flow.zip").write_bytes(b"PK\3\4\x14\0")
    (tmp_path / "custom.log").write_text("10.0.0.1 10.0.0.2 443 5000\n10.0.0.1 10.0.0.2 443 5001\n")
    dead = ("--dead-letter", tmp_path / "dead")
    code, summary, said = replay(
        tmp_path / "flow.zip", tmp_path / "custom.log", "--collector", collector.address, *dead, "--strict"
    )
    assert (code, summary["payloads"], summary["quarantined"]) == (1, {"not_text": 1}, {"unknown_format": 2})
    text, unknown = sorted(said.splitlines())
    assert str(tmp_path / "flow.zip") in text
    assert "unpack" in text
    assert f"2 times, first in {tmp_path / 'custom.log'}" in unknown
    assert "--format" in unknown


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_says_how_far_it_came(tmp_path: Path, collector: Collected, number: signal.Signals) -> None:
    (tmp_path / "a.log").write_text(GOOD.format(port=7) + "\n")
    (tmp_path / "b.log").write_text((GOOD.format(port=8) + "\n") * 50_000)
    arguments = (tmp_path, "--collector", collector.address, "--rate", "100", "--dead-letter", tmp_path / "dead")
    with subprocess.Popen(
        [sys.executable, "-m", "consumer.cli", "replay", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        datagrams = 0
        while datagrams < 40:  # about fifteen of them templates and options
            assert process.poll() is None
            datagrams += len(collector.listener.take(0.3))
        process.send_signal(number)
        output, said = process.communicate(timeout=60)
    summary = orjson.loads(output)
    assert (process.returncode, said) == (130, b"")
    assert (summary["interrupted"], summary["lines"], summary["exported"]) == (True, 1, 1)
    assert 1 < summary["records"] < 50_000


def test_a_folder_without_files_is_refused(tmp_path: Path) -> None:
    code, _, said = replay(tmp_path, "--collector", "127.0.0.1:4739")
    assert code == 2
    assert "holds no files" in said


def test_standard_input_with_a_format_of_ones_own(collector: Collected, tmp_path: Path) -> None:
    text = b"443 10.0.0.1 REJECT 10.0.0.2 40000 17 1418530010 1418530070 3 200\n"
    asked = "${srcport} ${srcaddr} ${action} ${dstaddr} ${dstport} ${protocol} ${start} ${end} ${packets} ${bytes}"
    letter = tmp_path / "dead"
    code, summary, _ = replay(
        "-", "--collector", collector.address, "--format", asked, "--dead-letter", letter, given=text
    )
    assert (code, summary["exported"]) == (0, 1)
    (flow,) = collector.flows()
    assert (flow.source, flow.source_port, flow.destination, flow.verdict) == ("10.0.0.1", 443, "10.0.0.2", "REJECT")


def bad_files(folder: Path) -> Iterator[tuple[str, bytes]]:
    good = GOOD.format(port=7)
    yield "truncated.gz", gzip.compress(envelope(*[good] * 50))[:-40]
    yield "not-json.json", b'{"messageType": "DATA_MESSAGE", '
    yield "wrong-type.json", envelope(good, messageType="SOMETHING_ELSE")
    yield "control.json", envelope("CWL CONTROL MESSAGE", messageType="CONTROL_MESSAGE")
    yield "no-events.json", envelope()
    yield "short.json", envelope(good, good.rsplit(" ", 1)[0])
    yield "long.json", envelope(good, good + " more")
    yield "port.json", envelope(good, good.replace(" 22 6 ", " 70000 6 "))
    yield "letters.json", envelope(good, good.replace(" 20 4249 ", " 20 4x49 "))
    yield "address.json", envelope(good, good.replace("172.31.16.21", "172.31.16.321"))
    yield "lone.json", envelope(good + " of another format")
    broken = good.replace("eni-1235b8ca", "eni-\udcff")
    yield "utf8.log", f"{good}\n{broken}\n".encode("utf-8", "surrogateescape")
    yield "megabyte.log", (good + "\n" + "x" * (1 << 20) + "\n" + good + "\n").encode()
    yield "megabyte.json", envelope(good, "x" * (1 << 20), good)


def test_each_bad_thing_becomes_one_counted_reason_and_costs_nothing_else(tmp_path: Path, collector: Collected) -> None:
    files = []
    for name, content in bad_files(tmp_path):
        (tmp_path / name).write_bytes(content)
        files.append(tmp_path / name)
    letter = tmp_path / "dead.jsonl"
    code, summary, _ = replay(*files, "--collector", collector.address, "--dead-letter", letter)
    assert code == 0
    assert is_balanced(summary)
    assert summary["quarantined"] == {
        "token_count": 2,
        "number_out_of_range": 1,
        "bad_number": 1,
        "bad_address": 1,
        "invalid_utf8": 1,
        "line_too_long": 2,
        "unknown_format": 1,
    }
    assert summary["payloads"] == {
        "bad_gzip": 1,
        "not_json": 1,
        "unknown_message_type": 1,
        "control_message": 1,
        "empty": 1,
    }
    assert summary["exported"] == len(collector.flows()) == 10
    kept = [orjson.loads(line)["reason"] for line in letter.read_bytes().splitlines()]
    assert {reason: kept.count(reason) for reason in summary["quarantined"]} == summary["quarantined"]


def test_strict_makes_unreadable_lines_an_exit_code(tmp_path: Path, collector: Collected) -> None:
    file = tmp_path / "flow.log"
    file.write_text(HEADER + "\n2 too short\n")
    letter = ("--dead-letter", tmp_path / "dead")
    assert replay(file, "--collector", collector.address, *letter).code == 0
    assert replay(file, "--collector", collector.address, *letter, "--strict").code == 1


def test_a_format_without_addresses_is_said_and_with_strict_an_exit_code(tmp_path: Path, collector: Collected) -> None:
    file = tmp_path / "flow.log"
    file.write_text("version srcaddr bytes log-status\n2 10.0.0.1 40 OK\n2 - - NODATA\n")
    run = replay(file, "--collector", collector.address, "--dead-letter", tmp_path / "dead", "--strict")

    assert (run.code, run.summary["dropped"]) == (1, {"no_address_fields": 1, "nodata": 1})
    assert f"no_address_fields ({file}): the log format lacks srcaddr or dstaddr" in run.said
    assert replay(file, "--collector", collector.address, "--dead-letter", tmp_path / "dead").code == 0


def test_strict_takes_records_of_nothing_for_what_they_are(tmp_path: Path, collector: Collected) -> None:
    file = tmp_path / "flow.log"
    file.write_text("srcaddr dstaddr bytes\n- - -\n10.0.0.1 10.0.0.2 40\n")
    run = replay(file, "--collector", collector.address, "--dead-letter", tmp_path / "dead", "--strict")

    assert (run.code, run.summary["dropped"], run.summary["exported"]) == (0, {"no_addresses": 1}, 1)


def test_a_dead_letter_that_cannot_be_written_is_refused_before_anything_is_read(
    tmp_path: Path, collector: Collected
) -> None:
    file, no_folder = tmp_path / "flow.log", tmp_path / "a file"
    file.write_text(GOOD.format(port=9) + "\nnonsense\n")
    no_folder.touch()
    for letter in (no_folder / "dead.jsonl", tmp_path):
        run = replay(file, "--collector", collector.address, "--dead-letter", letter)
        assert (run.code, run.summary) == (2, {})
        assert f"--dead-letter = '{letter}': cannot be written" in run.said


def test_the_dead_letter_is_read_back_once_the_format_is_known(tmp_path: Path, collector: Collected) -> None:
    file, letter = tmp_path / "flow.log", tmp_path / "dead.jsonl"
    file.write_text("10.0.0.1 10.0.0.2 443 5000 6 1 40 1418530010 1418530070 OK\n")
    code, summary, _ = replay(file, "--collector", collector.address, "--dead-letter", letter)
    assert (code, summary["quarantined"]) == (0, {"unknown_format": 1})
    asked = "${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} ${bytes} ${start} ${end} ${log-status}"
    again = tmp_path / "again.jsonl"
    code, summary, _ = replay(letter, "--collector", collector.address, "--format", asked, "--dead-letter", again)
    assert (code, summary["exported"], summary["quarantined"]) == (0, 1, {})
    assert [flow.source_port for flow in collector.flows()] == [443]


def test_bombs_of_gigabytes_are_one_fault_each_in_bounded_memory(tmp_path: Path, collector: Collected) -> None:
    blanks = gzip.compress(b" " * (16 << 20), mtime=0)
    for name, head in (("envelope", b'{"messageType":'), ("text", b"2 ")):
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(head, mtime=0) + 64 * blanks)
    good = tmp_path / "good.log"
    good.write_text(GOOD.format(port=9) + "\n")
    files = (tmp_path / "envelope.gz", tmp_path / "text.gz", good)
    code, summary, said = replay_within(
        900, *files, "--collector", collector.address, "--dead-letter", tmp_path / "dead"
    )
    assert code == 0, said
    assert is_balanced(summary)
    assert (summary["payloads"], summary["quarantined"]) == ({"too_large": 1}, {"line_too_long": 1})
    assert [flow.source_port for flow in collector.flows()] == [9]


def test_messages_as_large_as_the_path_takes_are_fewer(tmp_path: Path, collector: Collected) -> None:
    (tmp_path / "flows").write_text("\n".join([HEADER, *(GOOD.format(port=port) for port in range(1, 201))]))
    counts = {}
    for size in ("1400", "auto"):
        collectors = ("--collector", collector.address, "--dead-letter", tmp_path / "dead")
        code, summary, said = replay(tmp_path / "flows", *collectors, "--message-size", size, "--rate", "0")
        assert code == 0, said
        counts[size] = summary["messages"]
    assert counts["auto"] < counts["1400"] / 2, counts
    assert len(collector.flows()) == 400


def test_the_enterprise_number_that_means_reverse_is_refused() -> None:
    code, _, said = replay("-", "--collector", "127.0.0.1:4739", "--pen", "29305", given=b"")
    assert code == 2
    assert "RFC 5103" in said


def test_all_faults_of_the_command_line_are_told_at_once() -> None:
    code, summary, said = replay("no-such-file", "--collector", "nowhere", "--rate", "-1", "--format", "${a b}")
    assert (code, summary) == (2, {})
    for key in ("FILE", "--collector", "--rate", "--format"):
        assert key in said

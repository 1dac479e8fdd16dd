"""The demo as a user runs it: real emulators, the real daemon, an agent, a verdict."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from tests.support.estate import wait_until

DEMO = [sys.executable, "-m", "consumer.cli", "demo"]

pytestmark = [pytest.mark.jvm, pytest.mark.timeout(900)]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The demo's run folder lies below the test's; settings of a real AWS must not matter."""
    strange = {"AWS_PROFILE": "nobody", "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "VPCFLOW__AGENT__NONSENSE": "1"}
    return {**os.environ, **strange, "TMPDIR": str(tmp_path)}


def counts(output: str) -> dict[str, int]:
    """The balance as printed."""
    rows = re.findall(r"^  (written|received|missing|repeated|unexpected) +([\d,]+)$", output, flags=re.MULTILINE)
    return {name: int(number.replace(",", "")) for name, number in rows}


def test_every_flow_written_is_received_and_the_exit_code_says_so(environment: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run([*DEMO, "--for", "5"], env=environment, capture_output=True, text=True, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    balance = counts(done.stdout)
    assert balance["written"] >= 1_000  # a first second of 100 and one of 900; how many more, the machine decides
    assert balance["received"] == balance["written"]
    assert balance["missing"] == balance["repeated"] == balance["unexpected"] == 0
    first = re.search(r"first named flow, ([\d.]+) s after the agent's start, .*: (.+)", done.stdout)
    assert first is not None
    assert " → " in first.group(2)
    assert "\x1b" not in done.stdout
    assert_a_configuration_was_left(done.stdout, tmp_path)
    wait_until(lambda: processes_that_mention(tmp_path) == [], "nothing that it started is left", 60)


def assert_a_configuration_was_left(output: str, below: Path) -> None:
    found = re.search(r"vpcflow run -c (\S+)", output)
    assert found is not None
    file = Path(found.group(1))
    assert file.is_relative_to(below)
    assert tomllib.loads(file.read_text())["streams"][0]["name"] == "vpc-flow-logs"
    assert (file.parent / "agent.log").stat().st_size > 0


def test_a_demo_that_is_interrupted_while_it_starts_ends_everything_it_started(
    environment: dict[str, str], tmp_path: Path
) -> None:
    process = subprocess.Popen(DEMO, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if "agent started" in line:
            break
    began_at = time.monotonic()
    process.send_signal(signal.SIGINT)
    rest = process.stdout.read()
    assert process.wait(90) == 0, rest
    print(f"ended {time.monotonic() - began_at:.1f} s after Ctrl-C")
    wait_until(lambda: processes_that_mention(tmp_path) == [], "nothing that it started is left", 60)


def processes_that_mention(folder: Path) -> list[str]:
    """Command lines of running processes that name the folder: the agent, its JVM, its children, the emulators."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(folder) in command:
                found.append(command)
    return found

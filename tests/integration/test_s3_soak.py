"""Many small objects through a whole agent (make soak)."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.test_s3_agent import environment
from tests.support.agent_process import AgentProcess
from tests.support.emulated_estate import MotoServer
from tests.support.estate import wait_until
from tests.support.flow_agent import FlowCollector
from tests.support.flow_bucket import REGION, FlowBucket, key, packed

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800)]

OBJECTS, RECORDS = 2_000, 50
SECTIONS = """\
[aws]
region = "{region}"

[discovery]
enabled = false

[s3]
wait_seconds = 1
visibility_seconds = 30
concurrency = 4
max_concurrency = 16

[[queues]]
queue = "{queue}"
"""


def test_two_thousand_small_objects_arrive_once_while_the_agent_is_killed_and_started_again(
    moto: MotoServer, tmp_path: Path
) -> None:
    bucket = FlowBucket(moto.endpoint)
    sections = SECTIONS.format(region=REGION, queue=bucket.arn)
    with ThreadPoolExecutor(4) as putting:
        list(putting.map(lambda number: bucket.put(key(number), packed(number * RECORDS, RECORDS)), range(OBJECTS)))
    count = OBJECTS * RECORDS
    with FlowCollector() as collector:
        began = time.monotonic()
        with AgentProcess(tmp_path, sections, collector.port, environment(moto), rate=20_000) as first:
            wait_until(lambda: len(collector.arrived) > count // 4, "a quarter", 600)
            first.kill()
        with AgentProcess(tmp_path, sections, collector.port, environment(moto), rate=20_000) as second:
            wait_until(lambda: len(collector.arrived) == count, "everything", 900)
            wait_until(bucket.is_drained, "the deletion of every message", 300)
            largest = second.resident_bytes()
            second.terminate()
        seconds = time.monotonic() - began
    print(
        f"\n{OBJECTS} objects of {RECORDS} records in {seconds:.0f} s (moto's pace), killed once: "
        f"{collector.repeats()} repeated, RSS {largest / 1e6:.0f} MB"
    )
    assert set(collector.arrived) == set(range(count))
    assert collector.repeats() <= 16 * RECORDS, "more than what was being read when the agent was killed"

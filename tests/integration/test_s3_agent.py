"""`vpcflow run` with a queue: flows of announced objects arrive at a collector, whatever happens to the agent."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.agent_process import AgentProcess
from tests.support.emulated_estate import MotoServer
from tests.support.estate import wait_until
from tests.support.flow_agent import FlowCollector
from tests.support.flow_bucket import ACCOUNT, REGION, FlowBucket, key, packed

PATIENCE_SECONDS = 300.0
pytestmark = pytest.mark.timeout(900)
SECTIONS = """\
[aws]
region = "{region}"

[discovery]
enabled = false

[s3]
wait_seconds = 1
visibility_seconds = 9

[[queues]]
queue = "{queue}"
"""


def environment(moto: MotoServer) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": moto.endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def test_after_kill_9_in_the_middle_of_an_object_nothing_is_lost_and_health_and_metrics_say_what_was_done(
    moto: MotoServer, tmp_path: Path
) -> None:
    bucket = FlowBucket(moto.endpoint, dead_letter_after=5)
    sections = SECTIONS.format(region=REGION, queue=bucket.arn)
    count = 40_000
    bucket.put(key(1), packed(0, count))
    bucket.put(key(2), packed(count, 1000))
    bucket.put(f"AWSLogs/{ACCOUNT}/CloudTrail/x.json.gz", b"{}")
    with FlowCollector() as collector:
        with AgentProcess(tmp_path, sections, collector.port, environment(moto), rate=10_000) as first:
            wait_until(lambda: len(collector.arrived) > 10_000, "the middle of the object", PATIENCE_SECONDS)
            first.kill()
        before = len(collector.arrived)
        assert before < count
        with AgentProcess(tmp_path, sections, collector.port, environment(moto), rate=20_000) as second:
            # The killed agent's messages come again when their visibility is over.
            wait_until(lambda: len(collector.arrived) == count + 1000, "everything", 2 * PATIENCE_SECONDS)
            wait_until(bucket.is_drained, "the deletion of the messages", PATIENCE_SECONDS)
            health, samples = second.health(), second.metrics()
            seconds = second.terminate()
        print(
            f"\nkilled at {before} of {count}: {collector.repeats()} repeated; the next one stopped in {seconds:.1f} s"
        )
    assert set(collector.arrived) == set(range(count + 1000))
    assert collector.repeats() < 2 * 11_500, "more than the chunk at hand of each of two objects came again"
    name = f"{ACCOUNT}/{REGION}/{bucket.arn.rpartition(':')[2]}"
    condition = health["components"][f"queue {name}"]
    assert condition["state"] == "ok"
    assert "after 5 receives" in condition["reason"]
    assert samples[f'vpcflow_objects_total{{outcome="exported",queue="{name}"}}'] >= 1
    assert samples['vpcflow_exported_lines_total{source="s3"}'] >= count + 1000 - before
    assert health["sources"][0]["reason"] == "it is in the settings"

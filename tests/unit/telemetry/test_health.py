"""/health says what is wrong and why; a change is reported once."""

from __future__ import annotations

import urllib.error
import urllib.request

import orjson
import pytest

from consumer.errors import ConfigurationError
from consumer.model.tally import Tally
from consumer.telemetry.health import Health
from consumer.telemetry.metrics import DECLARED, Metrics
from consumer.telemetry.server import TelemetryServer


def get(port: int, path: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_the_worst_component_decides_the_whole() -> None:
    health = Health(lambda: 1.0)
    health.set("collector main", "ok", "receiving")
    assert health.overall() == "ok"
    health.set("collector spare", "waiting", "127.0.0.1:4739 refuses")
    assert health.overall() == "waiting"
    health.set("stream flow", "failing", "the daemon cannot start")
    assert health.overall() == "failing"


def test_only_a_change_is_news_and_a_state_keeps_its_beginning() -> None:
    moment = [1.0]
    health = Health(lambda: moment[0])
    assert health.set("collector main", "waiting", "refused")
    moment[0] = 5.0
    assert not health.set("collector main", "waiting", "refused")
    assert health.set("collector main", "waiting", "unreachable")
    assert health.snapshot()["collector main"].since == 1.0


def test_the_endpoint_tells_reasons_and_fails_only_when_something_fails() -> None:
    health, metrics = Health(lambda: 1.0), Metrics()
    server = TelemetryServer("127.0.0.1", 0, metrics, health, lambda: {"agent": "a1"})
    server.start()
    try:
        health.set("collector main", "waiting", "refused")
        status, body = get(server.port, "/health")
        assert status == 200
        assert orjson.loads(body)["components"]["collector main"]["reason"] == "refused"
        assert orjson.loads(body)["agent"] == "a1"
        assert get(server.port, "/ready")[0] == 503
        health.set("stream flow", "failing", "no daemon")
        assert get(server.port, "/health")[0] == 503
        assert get(server.port, "/nothing")[0] == 404
    finally:
        server.close()


def test_a_taken_address_is_a_configuration_fault_that_names_the_setting() -> None:
    first = TelemetryServer("127.0.0.1", 0, Metrics(), Health(lambda: 0.0), dict)
    first.start()
    try:
        with pytest.raises(ConfigurationError, match=r"telemetry\.listen"):
            TelemetryServer("127.0.0.1", first.port, Metrics(), Health(lambda: 0.0), dict).start()
    finally:
        first.close()


def test_a_tally_reaches_the_scrape_by_reason() -> None:
    metrics = Metrics()
    tally = Tally(lines=10, exported=7)
    tally.dropped["nodata"] = 2
    tally.quarantined["token_count"] = 1
    tally.payloads["control_message"] = 1
    metrics.count_tally("kinesis", tally)
    server = TelemetryServer("127.0.0.1", 0, metrics, Health(lambda: 0.0), dict)
    server.start()
    try:
        text = get(server.port, "/metrics")[1].decode()
    finally:
        server.close()
    assert 'vpcflow_lines_total{source="kinesis"} 10.0' in text
    assert 'vpcflow_dropped_lines_total{reason="nodata",source="kinesis"} 2.0' in text
    assert 'vpcflow_quarantined_lines_total{reason="token_count",source="kinesis"} 1.0' in text


def test_every_metric_name_follows_the_naming_rules() -> None:
    for item in DECLARED:
        assert item.name.startswith("vpcflow_")
        assert item.name.endswith("_total") == (item.kind.__name__ == "Counter"), item.name
        assert item.help.endswith("."), item.name

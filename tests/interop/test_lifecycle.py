"""Domains, refreshes and restarts on either side, as nfcapd and goflow2 live through them."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest

from consumer.export.settings import CollectorSettings
from consumer.model.inventory import empty_inventory
from tests.interop.collectors import ForeignCollector, Goflow2, Nfacctd, Nfcapd, assert_same, multiset
from tests.interop.flows import FIELDS, PEN, expected, lines, write_flow_log
from tests.interop.replaying import finish, replay, replaying, wait_until
from tests.support.exporting import export_text
from tests.support.udp import receiver

pytestmark = pytest.mark.foreign

ALL = [Nfcapd, Nfacctd, Goflow2]


@pytest.mark.parametrize("kind", ALL)
def test_three_domains_and_three_runs_of_the_exporter_lose_nothing(
    kind: type[ForeignCollector], tmp_path: Path
) -> None:
    """Each run is another session (another source port) that numbers from 0 again, each in a domain of its own."""
    content = lines(900)
    with kind(tmp_path / "collector") as collector:
        for domain in (1, 2, 3):
            part = content[300 * (domain - 1) : 300 * domain]
            summary = replay(write_flow_log(tmp_path / f"{domain}.log", part), collector.address, domain=domain)
            assert summary.records == 300
    assert_same(collector.read(), (collector.show(expected(line)) for line in content))
    if isinstance(collector, Goflow2):
        domains = Counter(record["observation_domain_id"] for record in collector.records())
        assert domains == {1: 300, 2: 300, 3: 300}


@pytest.mark.parametrize("kind", ALL)
def test_templates_sent_again_in_the_middle_disturb_nobody(kind: type[ForeignCollector], tmp_path: Path) -> None:
    """At 1,000 records/s this takes 3.5 s: templates go again after 1 s and after 3 s."""
    content = lines(3500)
    file = write_flow_log(tmp_path / "flows.log", content)
    with kind(tmp_path / "collector") as collector, receiver() as copy:
        started_at = time.monotonic()
        replay(file, collector.address, copy.address, rate=1000)
        assert time.monotonic() - started_at > 3.3
        sent = copy.messages()
    times_sent = Counter(message.body for message in sent if message.is_template)
    assert max(times_sent.values()) >= 3
    assert_same(collector.read(), (collector.show(expected(line)) for line in content))


@pytest.mark.parametrize("kind", ALL)
def test_a_collector_started_after_the_exporter_gets_every_record(kind: type[ForeignCollector], tmp_path: Path) -> None:
    content = lines(300)
    collector = kind(tmp_path / "collector")
    with replaying(write_flow_log(tmp_path / "flows.log", content), collector.address) as process:
        time.sleep(2.5)  # the exporter has started, found nobody, and probes
        assert process.poll() is None
        with collector:
            assert finish(process).records == 300
    assert_same(collector.read(), (collector.show(expected(line)) for line in content))


@pytest.mark.parametrize("kind", ALL)
def test_a_collector_restarted_in_the_middle_misses_at_most_the_message_it_died_over(
    kind: type[ForeignCollector], tmp_path: Path
) -> None:
    """Its first life ends while records flow; the exporter holds, probes, tells its templates and goes on."""
    content = lines(2500)
    wanted = multiset(kind(tmp_path / "unused").show(expected(line)) for line in content)
    first, second = kind(tmp_path / "first"), kind(tmp_path / "second")
    second.port = first.port
    file = write_flow_log(tmp_path / "flows.log", content)
    with receiver() as copy, replaying(file, first.address, copy.address, rate=500) as process:
        with first:
            wait_until("records to flow", lambda: any(not message.is_template for message in copy.messages()))
            time.sleep(1.0)
            first.stop(after_everything=False)
        time.sleep(1.0)
        with second:
            assert finish(process).records == len(content)
    seen = multiset([*first.read(), *second.read()])
    assert first.read(), "the first life saw nothing"
    assert second.read(), "the second life saw nothing"
    assert list(seen - wanted) == [], "a record came twice or wrong"
    assert (wanted - seen).total() <= 20, "more than one message is missing"


def test_twenty_new_exporters_one_after_the_other_lose_nothing_to_goflow2_s_two_workers(tmp_path: Path) -> None:
    """Each is a session of its own, whose flows follow its first templates as fast as they can; goflow2 reads two
    messages at a time, and drops flows that overtake their template (without the head start 1 in 4 to 5)."""
    content = lines(1000)
    with Goflow2(tmp_path / "collector") as collector:
        settings = CollectorSettings(address=collector.address, rate=0, options=())
        for first in range(0, len(content), 50):
            text = "\n".join([" ".join(FIELDS), *content[first : first + 50]]) + "\n"
            export_text(text, [settings], empty_inventory(), private_enterprise_number=PEN)
    assert_same(collector.read(), (collector.show(expected(line)) for line in content))

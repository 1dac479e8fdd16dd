"""Log formats of log groups, asked of an emulated EC2 through a role."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from consumer.aws.sessions import Sessions
from consumer.aws.settings import AwsSettings
from consumer.demo.network import DEFAULT_FORMAT, HOME_ACCOUNT, LOG_GROUP, MEMBER_ACCOUNT, SHOP_FORMAT, Network
from consumer.discovery.reading.formats import UNKNOWN_CACHE_SECONDS, FormatFinder
from consumer.discovery.settings import DiscoverySettings, LogFormatSettings
from consumer.errors import Stopped
from consumer.model.delivery import Origin, SourceKind
from consumer.model.log_format import LogFormat
from consumer.model.place import LogGroupKey
from consumer.model.plan import Choice, Plan
from tests.support.clock import ManualClock
from tests.support.emulated_estate import DENIED, THROTTLED, Fault, FaultyAws
from tests.unit.discovery.plan.test_choosing import flow_log

QUERY = "DescribeFlowLogs"
HOME = Origin(SourceKind.KINESIS, account=HOME_ACCOUNT, region="us-east-1", log_group=LOG_GROUP)
MEMBER = Origin(SourceKind.KINESIS, account=MEMBER_ACCOUNT, region="us-east-1", log_group=LOG_GROUP)


class Finding:
    """A finder over the seeded network, with a clock that the test moves."""

    def __init__(self, network: Network, known: Sequence[LogFormatSettings] = (), **settings: float) -> None:
        self.clock = ManualClock()
        aws = AwsSettings(region="us-east-1", regions=network.regions, roles=network.member_roles, attempts=1)
        discovery = DiscoverySettings.model_validate(settings)
        self.plan: Plan | None = None
        self.find = FormatFinder(Sessions(aws), discovery, known, self.clock, lambda: self.plan)


def test_the_format_is_asked_of_the_account_that_owns_the_log_group(faulty_aws: FaultyAws, network: Network) -> None:
    finding = Finding(network)

    assert tuple(finding.find(HOME)) == (SHOP_FORMAT,)
    assert tuple(finding.find(MEMBER)) == (DEFAULT_FORMAT,)


def test_an_envelope_without_region_is_looked_for_in_all_regions(faulty_aws: FaultyAws, network: Network) -> None:
    elsewhere = Origin(SourceKind.KINESIS, account=MEMBER_ACCOUNT, region="ap-south-1", log_group=LOG_GROUP)

    assert tuple(Finding(network).find(elsewhere)) == (DEFAULT_FORMAT,)


def test_a_polled_group_is_asked_for_in_its_own_region_only(faulty_aws: FaultyAws, network: Network) -> None:
    polled = Origin(SourceKind.CLOUDWATCH, account=HOME_ACCOUNT, region="eu-central-1", log_group=LOG_GROUP)

    assert tuple(Finding(network).find(polled)) == (SHOP_FORMAT,)
    assert faulty_aws.calls[QUERY] == 1


def test_what_the_user_wrote_down_wins_and_asks_nobody(faulty_aws: FaultyAws, network: Network) -> None:
    rule = LogFormatSettings(log_group=LOG_GROUP, format="${srcaddr} ${dstaddr}", account=HOME_ACCOUNT)
    finding = Finding(network, [rule])

    assert tuple(finding.find(HOME)) == (LogFormat(("srcaddr", "dstaddr")),)
    assert not faulty_aws.calls
    assert tuple(finding.find(MEMBER)) == (DEFAULT_FORMAT,), "a rule of another account is not ours"


def test_without_aws_only_what_is_written_down_is_known() -> None:
    rule = LogFormatSettings(log_group=LOG_GROUP, format="${srcaddr}")
    find = FormatFinder(None, DiscoverySettings(), [rule], ManualClock())

    assert tuple(find(HOME)) == (LogFormat(("srcaddr",)),)
    assert tuple(find(Origin(SourceKind.FILE, log_group="/other"))) == ()
    assert tuple(find(Origin(SourceKind.FILE))) == ()


def test_an_answer_is_believed_for_a_while_and_an_unknown_group_for_a_short_while(
    faulty_aws: FaultyAws, network: Network
) -> None:
    finding = Finding(network, format_cache_seconds=600)
    unknown = Origin(SourceKind.CLOUDWATCH, account=HOME_ACCOUNT, region="us-east-1", log_group="/nobody")
    known = Origin(SourceKind.CLOUDWATCH, account=HOME_ACCOUNT, region="us-east-1", log_group=LOG_GROUP)

    def calls_for(origin: Origin) -> int:
        before = faulty_aws.calls[QUERY]
        finding.find(origin)
        return faulty_aws.calls[QUERY] - before

    assert [calls_for(origin) for origin in (known, unknown, known, unknown)] == [1, 1, 0, 0]
    finding.clock.advance(UNKNOWN_CACHE_SECONDS + 1)
    assert [calls_for(origin) for origin in (known, unknown)] == [0, 1]
    finding.clock.advance(600)
    assert calls_for(known) == 1


def test_throttling_is_waited_out_before_a_delivery_is_given_up(faulty_aws: FaultyAws, network: Network) -> None:
    faulty_aws.fault_of = lambda action, _: (
        (503, "Unavailable", "later") if action == QUERY and faulty_aws.calls[QUERY] < 4 else None
    )
    polled = Origin(SourceKind.CLOUDWATCH, account=HOME_ACCOUNT, region="us-east-1", log_group=LOG_GROUP)
    finding = Finding(network)

    assert tuple(finding.find(polled)) == (SHOP_FORMAT,)
    assert finding.find.error_counts == {"RetryableError": 3}
    assert sum(finding.clock.waited) < 60


def test_an_outage_holds_a_delivery_for_a_minute_at_most(faulty_aws: FaultyAws, network: Network) -> None:
    faulty_aws.fault_of = lambda action, _: (503, "Unavailable", "later")
    polled = Origin(SourceKind.CLOUDWATCH, account=HOME_ACCOUNT, region="us-east-1", log_group=LOG_GROUP)
    finding = Finding(network, format_timeout_seconds=10)

    assert tuple(finding.find(polled)) == ()
    assert 6 <= sum(finding.clock.waited) <= 10


def test_a_denial_is_unknown_at_once_and_counted(faulty_aws: FaultyAws, network: Network) -> None:
    faulty_aws.fault_of = lambda action, _: DENIED if action == QUERY else None
    finding = Finding(network)

    assert tuple(finding.find(MEMBER)) == ()
    assert finding.find.error_counts == {"PermissionDeniedError": 2}
    assert finding.clock.waited == []


def test_who_cannot_say_whose_they_are_hides_no_others_formats(faulty_aws: FaultyAws, network: Network) -> None:
    faulty_aws.fault_of = lambda action, _: DENIED if action == "GetCallerIdentity" else None

    assert tuple(Finding(network).find(MEMBER)) == (DEFAULT_FORMAT,)
    lost = Finding(network)
    assert tuple(lost.find(HOME)) == ()
    assert lost.find.error_counts == {"PermissionDeniedError": 1}, "where nobody can be asked, it says why"


@pytest.mark.parametrize("fault", [DENIED, THROTTLED])
def test_where_aws_does_not_answer_the_formats_are_those_of_the_last_discovery(
    faulty_aws: FaultyAws, network: Network, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    monkeypatch.setattr(
        "consumer.discovery.reading.formats.PLANNED_SECONDS", 300.0
    )  # whatever the machine is busy with
    faulty_aws.fault_of = lambda action, _: fault if action == QUERY else None
    finding = Finding(network)
    places = [(MEMBER_ACCOUNT, LOG_GROUP, "srcaddr"), (HOME_ACCOUNT, LOG_GROUP, "dstaddr"), (MEMBER_ACCOUNT, "/x", "a")]
    finding.plan = Plan(
        {
            field: Choice(
                replace(flow_log(field), log_format=f"${{{field}}}"), None, "", "", LogGroupKey(account, "r", name)
            )
            for account, name, field in places
        }
    )

    assert tuple(finding.find(MEMBER)) == (LogFormat(("srcaddr",)),)
    assert finding.clock.waited == [], "nobody is held up for what is known"
    elsewhere = Origin(SourceKind.CLOUDWATCH, account=MEMBER_ACCOUNT, region="us-east-1", log_group=LOG_GROUP)
    assert tuple(finding.find(elsewhere)) == (), "a polled group's region is sure"


def test_a_look_up_that_hangs_holds_nobody_whose_formats_discovery_knows_for_long(
    faulty_aws: FaultyAws, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consumer.discovery.reading.formats.PLANNED_SECONDS", 0.5)
    release = threading.Event()

    def hang(action: str, parameters: dict[str, str]) -> None:
        if action == QUERY and parameters["region"] != "us-east-1":
            release.wait(60)

    faulty_aws.fault_of = hang
    finding = Finding(network)
    place = LogGroupKey(HOME_ACCOUNT, "us-east-1", LOG_GROUP)
    known = replace(flow_log("1"), log_format="${srcaddr}")
    finding.plan = Plan({"1": Choice(known, None, "", "", place)})
    began = time.monotonic()

    assert tuple(finding.find(HOME)) == (LogFormat(("srcaddr",)),)
    finding.clock.advance(1)
    assert tuple(finding.find(HOME)) == (LogFormat(("srcaddr",)),)
    assert time.monotonic() - began < 50, "it was held until the look-up gave up"

    release.set()
    (late,) = [thread for thread in threading.enumerate() if thread.name == "formats"]
    late.join(60)
    assert tuple(finding.find(HOME)) == (SHOP_FORMAT,), "the fresh answer counts once it is there"


def test_where_one_region_does_not_answer_what_discovery_found_there_counts_beside_the_others(
    faulty_aws: FaultyAws, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "consumer.discovery.reading.formats.PLANNED_SECONDS", 300.0
    )  # whatever the machine is busy with

    def refuse(action: str, parameters: dict[str, str]) -> Fault | None:
        return DENIED if action == QUERY and parameters["region"] != "us-east-1" else None

    faulty_aws.fault_of = refuse
    finding = Finding(network)
    there = LogGroupKey(HOME_ACCOUNT, "eu-central-1", LOG_GROUP)
    finding.plan = Plan({"1": Choice(replace(flow_log("1"), log_format="${srcaddr}"), None, "", "", there)})

    assert set(finding.find(HOME)) == {SHOP_FORMAT, LogFormat(("srcaddr",))}


def test_threads_that_want_the_same_group_share_one_look_up(faulty_aws: FaultyAws, network: Network) -> None:
    polled = Origin(SourceKind.CLOUDWATCH, account=HOME_ACCOUNT, region="us-east-1", log_group=LOG_GROUP)
    finding, all_here = Finding(network), threading.Event()

    def wait_for_others(action: str, parameters: dict[str, str]) -> Fault | None:
        if action == QUERY:
            all_here.wait(10)
        return None

    faulty_aws.fault_of = wait_for_others
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(finding.find, polled) for _ in range(4)]
        all_here.set()
        assert {tuple(answer.result(30)) for answer in answers} == {(SHOP_FORMAT,)}
    assert faulty_aws.calls[QUERY] == 1


def test_a_look_up_that_hangs_is_given_up_in_time_and_its_answer_is_still_kept(
    faulty_aws: FaultyAws, network: Network
) -> None:
    polled = Origin(SourceKind.CLOUDWATCH, account=HOME_ACCOUNT, region="us-east-1", log_group=LOG_GROUP)
    release = threading.Event()

    def hang(action: str, parameters: dict[str, str]) -> Fault | None:
        if action == QUERY:
            release.wait(30)
        return None

    faulty_aws.fault_of = hang
    finding = Finding(network, format_timeout_seconds=1)
    assert tuple(finding.find(polled)) == ()

    late = [thread for thread in threading.enumerate() if thread.name == "formats"]
    release.set()
    for thread in late:
        thread.join(60)
    asked = faulty_aws.calls[QUERY]  # once; more often where the machine is so slow that the SDK has tried again
    assert tuple(finding.find(polled)) == (SHOP_FORMAT,)
    assert faulty_aws.calls[QUERY] == asked


def test_a_stop_is_heard_while_a_delivery_is_held(faulty_aws: FaultyAws, network: Network) -> None:
    finding, release = Finding(network), threading.Event()

    def hang(action: str, parameters: dict[str, str]) -> Fault | None:
        finding.find.close()
        release.wait(30)
        return None

    faulty_aws.fault_of = hang
    with pytest.raises(Stopped):
        finding.find(HOME)
    release.set()

"""The traffic of the benchmarks is what its head says, and the same every time."""

from __future__ import annotations

import hashlib
from collections import Counter

import pytest

from benchmarks.generate import FORMATS, IPV6_SHARE, NO_DATA_SHARE, envelopes, estate, lines, text_object
from consumer.decode.envelope import Lines, read_regular
from consumer.decode.inflate import Text, gunzip
from consumer.model.delivery import TextState
from consumer.select.log_status import reportable_rows
from tests.unit.decode.payloads import ORIGIN, decode


def test_the_same_seed_gives_the_same_traffic_on_every_machine() -> None:
    """A new digest means new figures: they cannot be compared with those before."""
    digest = hashlib.sha256("\n".join(lines(500, FORMATS["v5"], seed=7)).encode()).hexdigest()

    assert digest == "441076426fd4327757a0114d16b2314860d2ac66fd97a72cce308cf00f628613"


def test_the_estate_has_400_interfaces_in_8_vpcs() -> None:
    interfaces = estate()

    assert len({interface.interface_id for interface in interfaces}) == 400
    assert len({interface.fields["vpc-id"] for interface in interfaces}) == 8


@pytest.mark.parametrize("name", FORMATS)
def test_every_record_is_read_and_the_shares_are_as_promised(name: str) -> None:
    result = decode(text_object(20_000, FORMATS[name]), [], text=TextState())

    families = [row["srcaddr"][0] for row in result.rows if isinstance(row["srcaddr"], tuple)]
    no_data: Counter[str] = Counter()
    for piece in result.pieces:
        if piece.batch:
            no_data += reportable_rows(piece.batch).dropped
    assert len(result.rows) == 20_000
    assert families.count(6) / len(families) == pytest.approx(IPV6_SHARE, abs=0.01)
    assert no_data.total() / 20_000 == pytest.approx(NO_DATA_SHARE, abs=0.002)
    assert set(no_data) == {"nodata", "skipdata"}


@pytest.mark.parametrize("is_mixed", [True, False])
def test_envelopes_are_laid_out_as_cloudwatch_does(is_mixed: bool) -> None:
    payloads = list(envelopes(1_500, events_each=1_000, is_mixed=is_mixed))

    assert len(payloads) == 2
    for payload in payloads:
        text = gunzip(payload)
        assert isinstance(text, Text)
        assert isinstance(read_regular(text, ORIGIN), Lines)
    interfaces = {row["interface-id"] for row in decode(payloads[0]).rows}
    assert (len(interfaces) == 1) is not is_mixed


def test_the_format_of_29_fields_is_that_of_version_5() -> None:
    since_version_3 = (
        "vpc-id subnet-id instance-id tcp-flags type pkt-srcaddr pkt-dstaddr region az-id sublocation-type"
        " sublocation-id pkt-src-aws-service pkt-dst-aws-service flow-direction traffic-path"
    )

    assert FORMATS["v5"].fields == (*FORMATS["v2"].fields, *since_version_3.split())

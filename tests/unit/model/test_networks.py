"""Lists of networks as ranges: what is found is what the longest network says."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_address, ip_network

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.model.address_index import LOW_HALF
from consumer.model.networks import AMBIGUOUS_BIT, Listed, Networks, build_networks

NETWORKS = (
    *("0.0.0.0/0", "0.0.0.0/1", "10.0.0.0/8", "10.0.0.0/16", "10.0.255.0/24", "10.1.0.0/16", "10.1.0.0/32"),
    *("255.255.255.0/24", "255.255.255.255/32", "::/0", "2600::/56", "2600::/64", "2600:0:0:1::/64", "ffff::/16"),
    *("2600::/128", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"),
)
ADDRESSES = sorted(
    {str(ip_network(text)[place]) for text in NETWORKS for place in (0, -1)}
    | {"9.255.255.255", "10.2.0.0", "10.1.0.1", "11.0.0.0", "2600:0:0:2::", "2600::1", "8.8.8.8"}
)


def values(networks: Networks, number: int) -> dict[str, int]:
    known = [ip_address(text) for text in ADDRESSES]
    found = networks.find(
        np.full(len(known), number, dtype=np.int64),
        np.array([one.version == 6 for one in known]),
        np.array([int(one) >> 64 for one in known], dtype=np.uint64),
        np.array([int(one) & LOW_HALF for one in known], dtype=np.uint64),
    )
    return dict(zip(ADDRESSES, found.tolist(), strict=True))


@given(st.lists(st.sampled_from(NETWORKS), unique=True), st.lists(st.sampled_from(NETWORKS), unique=True))
def test_an_address_has_the_value_of_the_longest_network_of_its_list(one: list[str], other: list[str]) -> None:
    lists = [[Listed(ip_network(text), endpoint=1 + NETWORKS.index(text)) for text in texts] for texts in (one, other)]
    networks = build_networks(lists)

    for number, texts in enumerate((one, other)):
        for address, value in values(networks, number).items():
            holding = [text for text in texts if ip_address(address) in ip_network(text)]
            longest = max(holding, key=lambda text: ip_network(text).prefixlen, default=None)
            assert value & 0xFFFF == (1 + NETWORKS.index(longest) if longest else 0)


@pytest.mark.parametrize(
    ("first", "second", "endpoint", "is_ambiguous"),
    [
        pytest.param((1, 5), (1, 6), 5, False, id="of-one-vpc-the-first"),
        pytest.param((0, 0), (2, 7), 7, False, id="a-known-place-beats-an-unknown"),
        pytest.param((1, 5), (2, 6), 5, True, id="two-vpcs"),
        pytest.param((0, 5), (0, 6), 5, True, id="two-places-outside"),
    ],
)
def test_of_equal_networks_one_counts_or_none(
    first: tuple[int, int], second: tuple[int, int], endpoint: int, is_ambiguous: bool
) -> None:
    block = ip_network("10.0.0.0/16")
    items = [Listed(block, vpc, row) for vpc, row in (first, second)]

    value = values(build_networks([items]), 0)[str(IPv4Address("10.0.0.0"))]

    assert (value & 0xFFFF, bool(value >> AMBIGUOUS_BIT & 1)) == (endpoint, is_ambiguous)


def test_neighbours_that_say_the_same_are_one_range() -> None:
    halves = [Listed(ip_network(text), vpc=1, endpoint=3) for text in ("10.0.0.0/25", "10.0.0.128/25")]

    assert build_networks([halves]).starts.tolist() == [0, 3, 4]

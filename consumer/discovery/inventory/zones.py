"""Networks against networks: which holds which, what two have in common, and what a longer one hides.

Belongs here: the algebra. Pure. Does not: knowing which networks there are (routing.py, own_names.py).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import TypeVar

from consumer.model.networks import Listed, Network

Next = TypeVar("Next")


@lru_cache(maxsize=1 << 16)
def network(text: str) -> Network:
    """The network of a CIDR; EC2 writes them without host bits, people do not."""
    return ipaddress.ip_network(text, strict=False)


class Zones:
    """Networks to be asked whether one of them holds another; `supernet` is slow: only lengths that occur are tried."""

    def __init__(self, zones: Iterable[Network]) -> None:
        self._zones = set(zones)
        self._lengths = {
            family: sorted({zone.prefixlen for zone in self._zones if zone.version == family}) for family in (4, 6)
        }

    def hold(self, inner: Network, longer_than: int = -1) -> bool:
        """Whether one of a prefix longer than that holds all of `inner`."""
        return any(
            inner.supernet(new_prefix=length) in self._zones
            for length in self._lengths[inner.version]
            if longer_than < length <= inner.prefixlen
        )


def taken(zones: Iterable[tuple[Network, Next]], within: Network) -> Iterator[tuple[Network, Next]]:
    """Zones that addresses of `within` can fall into: those inside it, and of those that hold all of it the longest."""
    whole: dict[int, list[tuple[Network, Next]]] = {}
    for zone, following in zones:
        if common(zone, within) is None:
            continue
        if zone.prefixlen > within.prefixlen:
            yield zone, following
        else:
            whole.setdefault(zone.prefixlen, []).append((zone, following))
    if whole:
        yield from whole[max(whole)]


def hiding(
    zones: Iterable[tuple[Network, Next]], behind: Callable[[Network, Next], Iterable[Listed]]
) -> Iterator[Listed]:
    """What lies behind each zone, without what a longer zone hides."""
    zones = tuple(zones)
    longer = Zones(zone for zone, _ in zones)
    for zone, following in zones:
        for one in behind(zone, following):
            if not longer.hold(one.network, zone.prefixlen):
                yield one


def clipped(items: Iterable[Listed], zone: Network) -> Iterator[Listed]:
    """The part of `items` within `zone`; of those that hold all of it, itself among them, only the longest counts."""
    whole: dict[int, list[Listed]] = {}
    for one in items:
        if common(one.network, zone) is None:
            continue
        if one.network.prefixlen > zone.prefixlen:
            yield one
        else:
            whole.setdefault(one.network.prefixlen, []).append(replace(one, network=zone))
    if whole:
        yield from whole[max(whole)]


def common(one: Network, other: Network) -> Network | None:
    """What two networks have in common: the smaller one, or nothing."""
    if one.version != other.version:
        return None
    small, large = (one, other) if one.prefixlen >= other.prefixlen else (other, one)
    return small if small.network_address in large else None

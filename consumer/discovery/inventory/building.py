"""From parts to a snapshot: numbers that outlive a restart are given, then everything is laid out.

Belongs here: giving the numbers. Does not: the layout itself (snapshot.py), when and where it happens
(reading/keeper.py, reading/errand.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from consumer.discovery.estate.merging import Estate, if_index_owners, merge
from consumer.discovery.estate.values import Part
from consumer.discovery.inventory.aws_ranges import kept_ranges
from consumer.discovery.inventory.own_names import read_names
from consumer.discovery.inventory.rows import Knowledge
from consumer.discovery.inventory.snapshot import build_inventory
from consumer.discovery.settings import DiscoverySettings
from consumer.errors import ConfigurationError, Fault
from consumer.model import if_index
from consumer.model.inventory import Inventory
from consumer.state.assignments import Assignments

FORGET_INTERFACES_AFTER_DAYS = 90


def build(
    parts: Iterable[Part],
    settings: DiscoverySettings,
    assignments: Assignments,
    now: float,
    folder: Path | None = None,
) -> Inventory:
    """The snapshot of `parts`. `folder`: where newer address ranges of AWS may lie.

    ConfigurationError when the pool of exporter addresses is used up.
    """
    estate = merge(parts)
    if_indexes = assignments.assign(
        "if_index",
        if_index_owners(estate),
        low=if_index.LOWEST,
        high=if_index.HIGHEST,
        now=now,
        forget_after_days=FORGET_INTERFACES_AFTER_DAYS,
    )
    exporters = _exporters(estate, settings, assignments, now)
    return build_inventory(estate, if_indexes, exporters, now, knowledge_of(settings, folder))


def knowledge_of(settings: DiscoverySettings, folder: Path | None) -> Knowledge:
    """What the settings and the files they name add to what AWS says."""
    ranges = kept_ranges(folder).ranges if settings.aws_ranges else ()
    return Knowledge(settings.owner_tags, read_names(settings.network_names).names, ranges)


def _exporters(estate: Estate, settings: DiscoverySettings, assignments: Assignments, now: float) -> Mapping[str, int]:
    """IPv4 address, as a number, by VPC: the user's choice, else one of the pool, once and for good."""
    chosen = {vpc: int(IPv4Address(text)) for vpc, text in settings.exporter_addresses.items()}
    pool = IPv4Network(settings.exporter_pool)
    try:
        given = assignments.assign(
            "exporter",
            [vpc for vpc in estate.vpcs if vpc not in chosen],
            low=int(pool.network_address) + 1,
            high=int(pool.broadcast_address) - 1,
            now=now,
            taken=chosen.values(),
        )
    except ValueError as error:
        raise ConfigurationError(
            [Fault("discovery.exporter_pool", str(pool), str(error), "give a larger network")]
        ) from error
    return given | chosen

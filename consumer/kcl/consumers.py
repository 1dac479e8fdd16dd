"""Enhanced fan-out consumers: KCL registers one for a stream that is read by fan-out, and never removes it.

It costs by the hour as long as it is registered, also after the stream was switched back to polling.
Belongs here: which consumers are ours. Does not: calling AWS (the caller does, kcl_tools.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from consumer.kcl.properties import application_name
from consumer.kcl.settings import KclSettings, StreamSettings


@dataclass(frozen=True, slots=True)
class FanOutConsumer:
    """One registered consumer. `is_ours`: it bears the name that KCL gives it for this application."""

    name: str
    arn: str
    status: str
    created_at: float
    """Unix seconds."""
    is_ours: bool


def consumer_name(kcl: KclSettings, stream: StreamSettings) -> str:
    """KCL's name for our consumer: the application's, unless the user's properties say otherwise."""
    return stream.properties.get("fanoutConfig.consumerName") or application_name(kcl, stream)


def read_consumers(
    entries: Iterable[Mapping[str, Any]], kcl: KclSettings, stream: StreamSettings
) -> tuple[FanOutConsumer, ...]:
    """ListStreamConsumers' entries (Kinesis API reference), ours first, then by name."""
    ours = consumer_name(kcl, stream)
    consumers = [
        FanOutConsumer(
            name=entry["ConsumerName"],
            arn=entry["ConsumerARN"],
            status=entry["ConsumerStatus"],
            created_at=entry["ConsumerCreationTimestamp"].timestamp(),
            is_ours=entry["ConsumerName"] == ours,
        )
        for entry in entries
    ]
    return tuple(sorted(consumers, key=lambda each: (not each.is_ours, each.name)))

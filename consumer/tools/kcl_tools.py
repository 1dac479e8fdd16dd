"""What `vpcflow kcl …` does: keys for a daemon, fan-out consumers, the properties a daemon is given.

Belongs here: joining settings, AWS and the KCL room for these commands. Does not: options and printing (cli.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from consumer.aws.operations import DEREGISTER_STREAM_CONSUMER, DESCRIBE_STREAM_SUMMARY, LIST_STREAM_CONSUMERS
from consumer.aws.paging import items
from consumer.aws.roles import Role, Target
from consumer.aws.sessions import Sessions
from consumer.aws.settings import AwsSettings
from consumer.config import Settings
from consumer.errors import ConfigurationError, Fault
from consumer.kcl.consumers import FanOutConsumer, read_consumers
from consumer.kcl.properties import Placement, render_properties, worker_id
from consumer.kcl.settings import StreamSettings


@dataclass(frozen=True, slots=True)
class StreamConsumer:
    """A fan-out consumer and the stream it is registered with."""

    stream: StreamSettings
    consumer: FanOutConsumer

    @property
    def is_wanted(self) -> bool:
        """Whether it is ours and the stream is read by fan-out as things are configured now."""
        return self.consumer.is_ours and self.stream.enabled and self.stream.retrieval == "fanout"


def daemon_keys(request: Path) -> bytes:
    """Keys as `credential_process` must print them (AWS SDKs reference guide, "Process credential provider").

    `request`: JSON {role, aws}, written by kcl/credentials.py.
    """
    asked = orjson.loads(request.read_bytes())
    role = Role.from_text(asked["role"]) if asked["role"] else None
    keys = Sessions(AwsSettings.model_validate(asked["aws"])).keys(role)
    answer = {"Version": 1, "AccessKeyId": keys.access_key, "SecretAccessKey": keys.secret_key}
    if keys.token:
        answer["SessionToken"] = keys.token
    if keys.expires_at:
        answer["Expiration"] = keys.expires_at
    return orjson.dumps(answer)


def stream_consumers(settings: Settings, sessions: Sessions, name: str = "") -> Iterator[StreamConsumer]:
    """Every fan-out consumer of the configured streams (`name`: of that one only); one or two calls a stream."""
    for stream in chosen_streams(settings, name):
        target = _target(stream)
        summary = sessions.call(DESCRIBE_STREAM_SUMMARY, target, StreamName=stream.name)
        arn = summary["StreamDescriptionSummary"]["StreamARN"]
        entries = items(sessions, LIST_STREAM_CONSUMERS, target, StreamARN=arn)
        for consumer in read_consumers(entries, settings.kcl, stream):
            yield StreamConsumer(stream, consumer)


def deregister(sessions: Sessions, found: StreamConsumer) -> None:
    """Remove one consumer; what is still subscribed to it ends."""
    sessions.call(DEREGISTER_STREAM_CONSUMER, _target(found.stream), ConsumerARN=found.consumer.arn)


def shown_properties(settings: Settings, name: str, environment: Mapping[str, str] = os.environ) -> Iterator[str]:
    """The properties each daemon is given; what only a running agent decides stands in angle brackets."""
    for stream in chosen_streams(settings, name):
        placement = Placement("<launcher>", worker_id("<agent-id>", stream), first_start=0)
        text = render_properties(settings.kcl, stream, placement, environment)
        yield text.replace("initialPositionInStreamExtended = 0", "initialPositionInStreamExtended = <first start>")


def chosen_streams(settings: Settings, name: str) -> tuple[StreamSettings, ...]:
    """The configured streams, or the ones with that name. ConfigurationError when there is none."""
    chosen = tuple(stream for stream in settings.streams if name in ("", stream.name))
    if not chosen:
        known = ", ".join(stream.name for stream in settings.streams) or "none"
        raise ConfigurationError([Fault("streams", name, "no such stream is configured", f"configured: {known}")])
    return chosen


def _target(stream: StreamSettings) -> Target:
    return Target(Role.from_text(stream.role) if stream.role else None, stream.region)

"""What a backfill is to do: the command's options with the configuration, checked.

Belongs here: options, and which file remembers what earlier runs exported. Does not: doing it (backfill.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from consumer.agent.queues import bucket_rules
from consumer.aws.roles import Access, Role
from consumer.config import AccessOptions, Settings
from consumer.errors import ConfigurationError, Fault
from consumer.export.settings import CollectorSettings
from consumer.sources.s3.listing import Span
from consumer.sources.s3.objects import BucketRules
from consumer.tools.sending import collectors_named, dead_letter_faults, number_faults


@dataclass(frozen=True, slots=True)
class BackfillOptions:
    """The command line with the configuration, checked."""

    settings: Settings
    access: Access
    bucket: str
    prefix: str
    span: Span
    flow_log_ids: frozenset[str]
    collectors: tuple[CollectorSettings, ...]
    private_enterprise_number: int
    domain: int
    concurrency: int
    dead_letter: Path
    is_anew: bool
    strict: bool

    @classmethod
    def from_command_line(
        cls,
        environment: Mapping[str, str],
        *,
        bucket: str,
        prefix: str,
        first: datetime,
        last: datetime | None,
        flow_logs: tuple[str, ...],
        collectors: tuple[str, ...],
        profile: str,
        message_size: int | Literal["auto"],
        rate: float | None,
        pen: int | None,
        domain: int,
        on_refused: str,
        concurrency: int,
        dead_letter: Path | None,
        anew: bool,
        strict: bool,
        **access: Any,
    ) -> BackfillOptions:
        """Read the options; what they leave open the configuration says. Raises ConfigurationError with all faults."""
        settings = AccessOptions(**access).settings(environment)
        agent = settings.agent
        number = agent.private_enterprise_number if pen is None else pen
        faults = number_faults(number, domain) + dead_letter_faults(dead_letter)
        named, problems = collectors_named(
            "backfill",
            collectors,
            profile=profile,
            message_size=message_size,
            rate=20_000.0 if rate is None else rate,
            on_refused=on_refused,
        )
        faults += problems
        if not collectors:
            # The agent may be sending from its own port to the same collector right now.
            changed = {"source_port": 0} | ({} if rate is None else {"rate": rate})
            named = tuple(one.model_copy(update=changed) for one in settings.collectors)
        if not named and not problems:
            faults.append(Fault("--collector", None, "there is none", "give --collector HOST:PORT or a configuration"))
        span = Span(_in_utc(first), _in_utc(last) if last else datetime.now(UTC))
        if bucket.startswith("s3://") or ":::" in bucket:
            faults.append(Fault("--bucket", bucket, "is more than a name", "leave out s3:// or the ARN's beginning"))
        if span.first >= span.last:
            faults.append(Fault("--from", first.isoformat(), "is not before --to", "give the earlier time first"))
        if faults:
            raise ConfigurationError(faults)
        roles = access.get("roles") or ()
        return cls(
            settings,
            Role.from_text(roles[0]) if roles else None,
            bucket,
            prefix,
            span,
            frozenset(flow_logs),
            named,
            number,
            domain or agent.observation_domain,
            concurrency or settings.s3.concurrency,
            dead_letter or agent.state_folder / "backfill-dead-letter.jsonl",
            anew,
            strict,
        )

    def journal_file(self) -> Path:
        """One for each bucket and set of collectors: what one collector was given, another may still want."""
        key = "\0".join((self.bucket, *sorted(one.address for one in self.collectors)))
        digest = hashlib.blake2b(key.encode(), digest_size=6).hexdigest()
        return self.settings.agent.state_folder / "backfill" / f"{self.bucket}-{digest}.sqlite"

    def rules(self) -> BucketRules:
        """[[buckets]] of the configuration, but nothing is ever deleted, and what is asked for is read."""
        found = next((one for one in bucket_rules(self.settings) if one.name == self.bucket), BucketRules())
        return replace(found, enabled=True, delete_prefix="")


def _in_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)

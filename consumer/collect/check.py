"""The command `check collector`: is a collector there, and one marked flow for it to show.

Belongs here: the test flow, sending it once, and what came of it in words. Does not: how a message gets there
(export/), what the flow looks like in a collector (look.py), options of the command (cli.py).
"""

from __future__ import annotations

import sys
import threading
from dataclasses import asdict, dataclass, field, replace
from ipaddress import IPv4Address, ip_address
from typing import Literal

import numpy as np
import orjson
from pydantic import ValidationError

from consumer.clock import Clock, SystemClock
from consumer.collect.look import DESTINATION, DESTINATION_PORT, MARK, SOURCE, SOURCE_PORT, ways_to_look
from consumer.decode.decoder import Decoder
from consumer.encode.domain import observation_domain
from consumer.encode.encoder import Encoder
from consumer.encode.settings import DOCUMENTATION_ENTERPRISE_NUMBER, EncodingSettings, Profile
from consumer.enrich.join import COLUMNS
from consumer.errors import ConfigurationError, Fault
from consumer.export.collector import Collector
from consumer.export.outgoing import Outgoing
from consumer.export.settings import CollectorSettings
from consumer.export.udp import FaultKind
from consumer.model.delivery import Origin, SourceKind, TextState
from consumer.model.flow_batch import JoinedColumns
from consumer.model.inventory import EntityTable
from consumer.model.log_format import LogFormat
from consumer.model.messages import MessageBatch

LATE_ANSWER_SECONDS = 1.0
"""How long a refusal of the last message may take: an ICMP answer from the far side of the earth needs 0.3 s."""
PATIENCE_SECONDS = 10.0
"""How long a resolver may take; its own default is two tries of 5 s a server (resolv.conf(5))."""
HEAD_START_SECONDS = 0.3
"""What templates get before the flow: goflow2 with its default two workers reads a message beside its template, and
drops it (seen: 1 to 10 of 50 flows)."""
_POLL_SECONDS = 0.1

_FORMAT = LogFormat.from_text(
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action "
    "log-status flow-direction"
)
_LINE = (
    "5 123456789012 eni-check {source} {destination} {source_port} {destination_port} 17 1 42 {start} {end} "
    "ACCEPT OK egress"
)
_NAME_COLUMNS = ("name", "instance_name")
_NAMED_IN = {"core": "", "iana": "virtualStationName", "full": "sourceName and observedInstanceName"}
"""Profile → the elements that hold MARK."""
_EXPORTER = "203.0.113.1"
"""In the place of a VPC's exporter address; of a block for documentation as well."""


def marked_flow(settings: EncodingSettings, now: float) -> MessageBatch:
    """One flow that ended at `now` (Unix seconds), UDP, accepted, its source and interface named MARK.

    It goes through decode and encode like any other; only the names are put in by hand. The observation domain is no
    account's: Logstash keeps templates by domain alone, and the agent's must stay what they are.
    """
    line = _LINE.format(
        source=SOURCE,
        destination=DESTINATION,
        source_port=SOURCE_PORT,
        destination_port=DESTINATION_PORT,
        start=int(now) - 60,
        end=int(now),
    )
    origin = Origin(SourceKind.FILE)
    (piece,) = Decoder().decode(line.encode(), origin, TextState(_FORMAT), lambda _: [])
    assert piece.batch is not None
    words = np.zeros((1, max(column.word for column in COLUMNS.values()) + 1), dtype=np.uint64)
    for name, value in (("interface", 1), ("source", 1), ("egress_interface", 1), ("exporter_address", _EXPORTER)):
        words[0, COLUMNS[name].word] = int(IPv4Address(value)) if isinstance(value, str) else value
    named = {name: np.array([0, 1], dtype=np.int32) for name in _NAME_COLUMNS}
    tables = {name: EntityTable(name, 2, {}, named, (b"", MARK.encode())) for name in ("interface", "endpoint")}
    joined = JoinedColumns(COLUMNS, words, tables)
    rows = np.zeros(1, dtype=np.int64)
    return Encoder(settings).encode(piece.batch, rows, joined, observation_domain(MARK, None))


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What came of it. `is_there`: nothing says that nobody listens; `result` is that in words. `named_in`: elements
    that hold MARK, empty when the profile has no names."""

    address: str
    is_there: bool
    result: str
    messages: int
    octets: int
    named_in: str = ""
    warnings: list[str] = field(default_factory=list)
    ways_to_look: dict[str, str] = field(default_factory=dict)


def check_collector(settings: CollectorSettings, encoding: EncodingSettings, clock: Clock) -> CheckReport:
    """Send templates, then the test flow; blocks for about a second, up to PATIENCE_SECONDS for a slow resolver.

    Raises ConfigurationError when `message_size` is too small for the profile.
    """
    flow = marked_flow(encoding, clock.now())
    collector = Collector(settings, clock)
    try:
        problem = _send(collector, Outgoing(_templates_only(flow)), HEAD_START_SECONDS, clock)
        late_seconds = 0.0 if _is_this_machine(settings) else LATE_ANSWER_SECONDS
        problem = problem or _send(collector, Outgoing(flow), late_seconds, clock)
        status, counts = collector.status(), collector.counts
    finally:
        collector.abandon()
    warnings = _warnings(encoding)
    if counts.errors[FaultKind.TOO_LARGE]:
        warnings.append(f"messages of {encoding.message_size} bytes do not fit the way: lower message_size")
    result = problem or f"{status.reason}: {_what_silence_means(settings)}"
    ways = {} if problem else ways_to_look(settings.destination.port)
    return CheckReport(
        settings.address,
        not problem,
        result,
        counts.messages,
        counts.octets,
        _NAMED_IN[encoding.profile],
        warnings,
        ways,
    )


def _templates_only(flow: MessageBatch) -> MessageBatch:
    """The batch without its message: an exporting process proves the way to a collector with templates first."""
    return replace(flow, starts=flow.starts[:1], totals=flow.totals[:1])


def _send(collector: Collector, job: Outgoing, quiet_seconds: float, clock: Clock) -> str:
    """Send `job`, then listen `quiet_seconds` for a refusal; what is wrong, empty when nothing is known to be."""
    never = threading.Event()
    give_up_at = clock.monotonic() + PATIENCE_SECONDS
    sent_at: float | None = None
    while True:
        wait = collector.advance(job if sent_at is None else None)
        status = collector.status()
        if status.state == "holding":
            return status.reason.partition("; trying")[0]
        now = clock.monotonic()
        if wait is None:
            sent_at = now if sent_at is None else sent_at
            if now - sent_at >= quiet_seconds:
                return ""
        elif now >= give_up_at:
            return f"the name {collector.settings.destination.host} is still being looked up: the resolver is silent"
        clock.wait(never, _POLL_SECONDS if wait is None else wait)


def _is_this_machine(settings: CollectorSettings) -> bool:
    """True when a refusal is known before a send returns (measured for loopback)."""
    try:
        return ip_address(settings.destination.host).is_loopback
    except ValueError:
        return settings.destination.host == "localhost"


def _what_silence_means(settings: CollectorSettings) -> str:
    """UDP says only when it fails, and only this machine says so always."""
    if _is_this_machine(settings):
        return "somebody listens"
    return "nobody refused, so somebody listens, or a firewall drops without a word"


def _warnings(encoding: EncodingSettings) -> list[str]:
    if encoding.profile != "full" or encoding.private_enterprise_number != DOCUMENTATION_ENTERPRISE_NUMBER:
        return []
    return [
        f"enterprise number {DOCUMENTATION_ENTERPRISE_NUMBER} is for documentation and trials (RFC 5612): before you "
        "keep data, get your own from IANA (free of charge) and set private_enterprise_number"
    ]


def run_check(
    address: str,
    profile: Profile,
    message_size: int | Literal["auto"],
    private_enterprise_number: int,
    *,
    as_json: bool,
) -> int:
    """Check and print. Exit code 0 when nothing is wrong, else 1. Raises ConfigurationError with all faults."""
    given = {"name": "check", "address": address, "profile": profile, "message_size": message_size}
    faults: list[Fault] = []
    try:
        settings = CollectorSettings.model_validate(given)
    except ValidationError as error:
        faults += _faults(error)
    try:
        encoding = EncodingSettings(profile=profile, private_enterprise_number=private_enterprise_number)
    except ValidationError as error:
        faults += _faults(error)
    if faults:
        raise ConfigurationError(faults)
    encoding = encoding.model_copy(update={"message_size": settings.largest_message})
    report = check_collector(settings, encoding, SystemClock())
    if as_json:
        sys.stdout.write(orjson.dumps(asdict(report), option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        sys.stdout.write(report_text(report))
    return 0 if report.is_there else 1


_OPTIONS = {"address": "HOST:PORT", "message_size": "--message-size", "private_enterprise_number": "--pen"}


def _faults(error: ValidationError) -> list[Fault]:
    return [
        Fault(
            _OPTIONS.get(str(detail["loc"][0]), f"--{detail['loc'][0]}"),
            detail["input"],
            detail["msg"].removeprefix("Value error, ").removeprefix("Input "),
            "see check collector --help",
        )
        for detail in error.errors()
    ]


def report_text(report: CheckReport) -> str:
    """The report for people."""
    lines = [f"{'ok' if report.is_there else 'FAILED'}: {report.result}"]
    lines += [f"warning: {warning}" for warning in report.warnings]
    if not report.is_there:
        return "\n".join(lines) + "\n"
    name = f"named {MARK} in {report.named_in}" if report.named_in else "without a name, for this profile has none"
    lines += [
        f"sent {report.messages} messages, {report.octets} bytes: templates and one flow,",
        f"{SOURCE}:{SOURCE_PORT} → {DESTINATION}:{DESTINATION_PORT}, UDP, 1 packet of 42 bytes, {name}.",
        "Look for it:",
    ]
    width = max(map(len, report.ways_to_look), default=0)
    lines += [f"  {collector:<{width}}  {how}" for collector, how in report.ways_to_look.items()]
    if report.named_in:
        lines.append("If the name is missing there, teach the collector: vpcflow elements --for COLLECTOR")
    return "\n".join(lines) + "\n"

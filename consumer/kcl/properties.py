"""properties/kinesis.properties with the values of one stream filled in.

Belongs here: names, values and escaping of properties. Does not: starting the daemon that reads them (daemon.py).
The format is that of java.util.Properties.load (Java SE API). `templates` is a link to the top-level properties/
folder, the only copy; a wheel carries its files.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

from consumer.errors import ConfigurationError, Fault
from consumer.kcl.leases import LIVING_FAILOVERS
from consumer.kcl.settings import KclSettings, StreamSettings

APPLICATION_LIMIT = 128
"""Characters of a fan-out consumer's name (Kinesis API, RegisterStreamConsumer); a table's may have 255."""
LOGBACK = "logback.xml"
_PACKAGED = Path(__file__).parent / "templates"
_CHECKOUT = Path(__file__).parents[2] / "properties"
_LINE = re.compile(r"^(?P<key>[A-Za-z.]+) = (?P<value>.*)$")

FIXED_PROPERTIES: Mapping[str, str] = {
    "executableName": "it starts our child",
    "processingLanguage": "our child is Python",
    "applicationName": "set kcl.application",
    "workerId": "it is the agent's id, kept in its state folder",
    "streamName": "set the stream's name",
    "streamArn": "set the stream's name and region; KCL reads only the name out of it",
    "regionName": "set the stream's region",
    "callProcessRecordsEvenForEmptyRecordList": "without it a quiet shard looks stuck",
    "timeoutInSeconds": "a collector that holds the agent would end the whole JVM",
}
"""Properties that would break us when changed → what to do instead."""


@dataclass(frozen=True, slots=True)
class Placement:
    """What the agent decides for one daemon."""

    executable: str
    worker_id: str
    first_start: int
    """Unix seconds."""
    kinesis_credentials: str = "DefaultCredentialsProvider"
    home_credentials: str = "DefaultCredentialsProvider"


def application_name(kcl: KclSettings, stream: StreamSettings) -> str:
    """`vpcflow-us-east-1-flow`: names one lease table per stream, whatever account and region it is in."""
    parts = (kcl.application, stream.account, stream.region, stream.name)
    name = "-".join(part for part in parts if part)
    if len(name) <= APPLICATION_LIMIT:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:12]
    return f"{name[: APPLICATION_LIMIT - len(digest) - 1]}-{digest}"


def lease_table(kcl: KclSettings, stream: StreamSettings) -> str:
    """The table in which KCL keeps this stream's leases: its own property goes first."""
    return _own(stream, "tableName") or application_name(kcl, stream)


def living_seconds(kcl: KclSettings, stream: StreamSettings | None) -> float:
    """A lease that was not renewed for so long has no living worker. `stream` None: one without properties of its own,
    as discovery finds them."""
    own = _own(stream, "failoverTimeMillis") if stream else ""
    return LIVING_FAILOVERS * (int(own) if own.isdigit() else kcl.failover_ms) / 1000


def _own(stream: StreamSettings, name: str) -> str:
    return next((value for key, value in stream.properties.items() if key.casefold() == name.casefold()), "")


def worker_id(agent_id: str, stream: StreamSettings) -> str:
    """Stable for one agent and one stream; two living agents never share one."""
    return "-".join(part for part in (agent_id, stream.account, stream.region, stream.name) if part)


def property_faults(stream: StreamSettings) -> list[Fault]:
    """The stream's own properties that may not be changed, each with what to do instead."""
    fixed = {name.casefold(): name for name in FIXED_PROPERTIES}
    return [
        Fault(
            f"streams[{stream.name}].properties.{key}",
            value,
            "this property cannot be changed",
            FIXED_PROPERTIES[fixed[key.casefold()]],
        )
        for key, value in stream.properties.items()
        if key.casefold() in fixed
    ]


def render_properties(
    kcl: KclSettings, stream: StreamSettings, placement: Placement, environment: Mapping[str, str]
) -> str:
    """The text of the daemon's properties file. ConfigurationError when the stream's own properties break us."""
    faults = property_faults(stream)
    if faults:
        raise ConfigurationError(faults)
    values = _values(kcl, stream, placement, environment)
    theirs = {key.casefold() for key in stream.properties}
    if "initialpositioninstream" in theirs:
        theirs.add("initialpositioninstreamextended")  # both name the same thing, KCL would take either
    text = "\n".join(_fill(read_template("kinesis.properties"), values, theirs))
    if stream.properties:
        own = "\n".join(f"{_escape_key(key)} = {_escape(value)}" for key, value in stream.properties.items())
        text += f"\n\n# --- From the configuration file: passed through, wins ---\n\n{own}"
    return text + "\n"


def read_template(name: str) -> str:
    """A file of the properties/ folder: in the package when installed from a wheel, else at the top of the checkout."""
    folder = _PACKAGED if _PACKAGED.is_dir() else _CHECKOUT
    return (folder / name).read_text(encoding="utf-8")


def _values(
    kcl: KclSettings, stream: StreamSettings, placement: Placement, environment: Mapping[str, str]
) -> dict[str, str]:
    """Placeholder → value; empty = the line is left out."""
    named = {"trim_horizon": "TRIM_HORIZON", "latest": "LATEST"}
    position = named.get(stream.initial_position, "")
    return {
        "executable_name": placement.executable,
        "application_name": application_name(kcl, stream),
        "worker_id": placement.worker_id,
        "stream_name": stream.name,
        "region_name": stream.region,
        "initial_position": position,
        "initial_timestamp": "" if position else str(placement.first_start),
        "retrieval_mode": stream.retrieval.upper(),
        "max_records": str(kcl.max_records),
        "idle_time_ms": str(kcl.idle_time_ms),
        "kinesis_credentials": placement.kinesis_credentials,
        "home_credentials": placement.home_credentials,
        "kinesis_endpoint": _endpoint("KINESIS", environment),
        "dynamodb_endpoint": _endpoint("DYNAMODB", environment),
        "failover_ms": str(kcl.failover_ms),
        "metrics_level": kcl.metrics_level,
        "shutdown_grace_ms": str(kcl.shutdown_grace_ms),
    }


def _endpoint(service: str, environment: Mapping[str, str]) -> str:
    """The SDKs' standard variables: the service's own, else the one for all (AWS SDKs reference guide)."""
    if environment.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        return ""
    return environment.get(f"AWS_ENDPOINT_URL_{service}") or environment.get("AWS_ENDPOINT_URL") or ""


def _fill(template: str, values: Mapping[str, str], theirs: set[str]) -> Iterator[str]:
    """The template's lines without those that are unknown or that the user sets."""
    for line in template.splitlines():
        match = _LINE.match(line)
        if match is None:
            yield line
            continue
        value = Template(match["value"]).substitute(values)
        if value and match["key"].casefold() not in theirs:
            yield f"{match['key']} = {_escape(value)}"


def _escape(text: str) -> str:
    """A value as Properties.load reads it back: backslash, line ends and all but printable ASCII escaped."""
    escaped = "".join(_escape_character(character) for character in text)
    return "\\" + escaped if escaped.startswith(" ") else escaped


def _escape_key(text: str) -> str:
    return "".join("\\" + each if each in " :=#!" else _escape_character(each) for each in text)


def _escape_character(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if " " <= character <= "~":
        return character
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))

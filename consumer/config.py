"""Gathers every room's settings into one configuration file, and finds all faults at once.

Belongs here: reading TOML and environment overrides, and turning what is wrong into words. Does not: a setting
itself; each lives in its room's settings.py with default, unit, range and one sentence of help.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

from pydantic import AfterValidator, BaseModel, Field, ValidationError
from pydantic_core import ErrorDetails

from consumer.aws.profiles import read_profiles
from consumer.aws.roles import Role, read_roles
from consumer.aws.settings import AwsSettings, is_region
from consumer.discovery.settings import BucketSettings, DiscoverySettings, LogFormatSettings, LogGroupSettings
from consumer.encode.settings import EncodingSettings
from consumer.errors import ConfigurationError, Fault
from consumer.export.settings import CollectorSettings
from consumer.kcl.properties import property_faults
from consumer.kcl.settings import KclSettings, StreamSettings
from consumer.select.settings import FallbackSettings, RepeatsSettings
from consumer.sources.cloudwatch.settings import PollingSettings
from consumer.sources.s3.settings import QueueSettings, S3Settings
from consumer.state.settings import StateSettings
from consumer.telemetry.settings import TelemetrySettings

ENVIRONMENT_PREFIX = "VPCFLOW__"


def _default_state_folder() -> Path:
    home = os.environ.get("STATE_DIRECTORY") or os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return _absolute(Path(home)) / "vpcflow"


def _absolute(path: Path) -> Path:
    """What a JVM and its children are given must not depend on where they run."""
    return path.expanduser().absolute()


def _ipv4_or_empty(text: str) -> str:
    return str(IPv4Address(text)) if text else ""


class AgentSettings(BaseModel, frozen=True, extra="forbid"):
    """[agent]: the agent as a whole."""

    include: tuple[str, ...] = Field(
        (),
        description="Further configuration files, relative to this one, such as the one `vpcflow discover --save` "
        "writes; what stands in this file goes before.",
    )
    state_folder: Annotated[Path, AfterValidator(_absolute)] = Field(
        default_factory=_default_state_folder,
        description="Folder for what outlives a restart: agent id, assigned addresses, dead letter. "
        "One agent per folder.",
    )
    private_enterprise_number: int = Field(
        32473,
        ge=1,
        le=0xFFFF_FFFF,
        description="Enterprise number of our own information elements. 32473 is the documentation number (RFC 5612): "
        "fine for a trial, register your own (free, IANA) before you keep data.",
    )
    observation_domain: int = Field(
        0, ge=0, le=0xFFFF_FFFF, description="Observation domain id of every record; 0 = a hash of account and region."
    )
    exporter_address: Annotated[str, AfterValidator(_ipv4_or_empty)] = Field(
        "",
        description="Exporter address (IPv4) of flows whose VPC is not known; "
        "empty = the address this machine sends from.",
    )
    dead_letter_mb: int = Field(
        64,
        ge=1,
        le=10_000,
        description="Size in MB at which the file of unreadable lines is rotated (one old file is kept).",
    )
    stop_grace_seconds: float = Field(
        8.0, ge=0, le=300, description="How long a delivery already begun may go on after a stop signal, in seconds."
    )


class Settings(BaseModel, frozen=True, extra="forbid"):
    """The whole configuration."""

    agent: AgentSettings = Field(default_factory=AgentSettings)  # its state folder depends on the environment
    aws: AwsSettings = AwsSettings()
    discovery: DiscoverySettings = DiscoverySettings()
    kcl: KclSettings = KclSettings()
    polling: PollingSettings = PollingSettings()
    state: StateSettings = StateSettings()
    s3: S3Settings = S3Settings()
    repeats: RepeatsSettings = RepeatsSettings()
    fallback: FallbackSettings = FallbackSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    collectors: Annotated[tuple[CollectorSettings, ...], Field(description="Where flows go; at least one.")] = ()
    streams: Annotated[tuple[StreamSettings, ...], Field(description="Kinesis streams to read.")] = ()
    log_groups: Annotated[
        tuple[LogGroupSettings, ...], Field(description="Log groups of flow logs, where one is to be switched off.")
    ] = ()
    buckets: Annotated[
        tuple[BucketSettings, ...], Field(description="Buckets of flow logs: their queues, and switching one off.")
    ] = ()
    queues: Annotated[
        tuple[QueueSettings, ...], Field(description="Queues that are told of new objects, where discovery sees none.")
    ] = ()
    log_formats: Annotated[
        tuple[LogFormatSettings, ...], Field(description="Formats of log groups; else AWS is asked.")
    ] = ()


def load_settings(file: Path | None, environment: Mapping[str, str], also: Sequence[Path] = ()) -> Settings:
    """Read `file` (TOML) with the files it includes, then overrides like `VPCFLOW__COLLECTORS__0__RATE=5000`.

    `also`: files to include that `file` does not name. Raises ConfigurationError with every fault of the files and the
    environment together.
    """
    raw: dict[str, Any] = {}
    if file is not None:
        raw = _read(file, "-c")
        agent = raw.get("agent")
        names = agent.get("include") if isinstance(agent, dict) else None
        for name in names if isinstance(names, list) else ():  # anything else is a fault, found below with the others
            _include(raw, _read(file.parent / str(name), "agent.include"))
    for path in also:
        _include(raw, _read(path, "--save"))
    _override(raw, environment)
    try:
        settings = Settings.model_validate(raw)
    except ValidationError as error:
        raise ConfigurationError([_fault(detail) for detail in error.errors()]) from error
    faults = list(_cross_checks(settings))
    if faults:
        raise ConfigurationError(faults)
    return settings


def check_settings(file: Path, environment: Mapping[str, str]) -> Settings:
    """The same for whoever asks what is wrong with a file: also what an agent goes on without, a line of the role file
    that names nobody."""
    settings = load_settings(file, environment)
    if settings.aws.role_file and (faults := read_roles(Path(settings.aws.role_file)).faults):
        raise ConfigurationError(faults)
    return settings


@dataclass(frozen=True, slots=True)
class AccessOptions:
    """As whom and where, as given on the command line; what is given replaces what the configuration says."""

    config: Path | None = None
    roles: tuple[str, ...] = ()
    credentials_file: str = ""
    regions: tuple[str, ...] = ()

    def settings(self, environment: Mapping[str, str], also: tuple[Path, ...] = ()) -> Settings:
        """The configuration with these options in it. ConfigurationError names what is wrong with either."""
        settings = load_settings(self.config, environment, also)
        faults = [
            Fault("--region", region, "not a region", "write it like us-east-1")
            for region in self.regions
            if not is_region(region)
        ]
        for text in self.roles:
            try:
                Role.from_text(text)
            except ValueError as error:
                faults.append(Fault("--role", text, str(error), "write ARN[,EXTERNAL-ID]"))
        if faults:
            raise ConfigurationError(faults)
        given: dict[str, Any] = {}
        if self.roles:
            given["roles"] = self.roles
        if self.credentials_file:
            given["credentials_file"] = self.credentials_file
        if self.regions:
            given |= {"regions": self.regions, "region": settings.aws.region or self.regions[0]}
        return settings.model_copy(update={"aws": settings.aws.model_copy(update=given)})


def _read(file: Path, key: str) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        fault = Fault(key, str(file), error.strerror or str(error), "name a file you can read")
        raise ConfigurationError([fault]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        fault = Fault(key, str(file), f"not TOML: {error}", "mend the line it names")
        raise ConfigurationError([fault]) from error


_IDENTITY = ("name", "region", "account", "log_group")


def _include(raw: dict[str, Any], other: Mapping[str, Any]) -> None:
    """Put what `other` says beneath what `raw` says: tables are merged; of two list entries with the same name (region,
    account) the one in `raw` counts, and what it leaves open is taken from the other."""
    for key, value in other.items():
        here = raw.setdefault(key, value)
        if here is value:
            continue
        if isinstance(here, dict) and isinstance(value, dict):
            _include(here, value)
        elif isinstance(here, list) and isinstance(value, list):
            for entry in value:
                twin = next((one for one in here if _is_same(one, entry)), None)
                if twin is None:
                    here.append(entry)
                else:
                    _include(twin, entry)


def _is_same(one: Any, other: Any) -> bool:
    """Whether two list entries are about the same thing: what both say of their identity agrees, the name at least."""
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return bool(one == other)
    shared = [key for key in _IDENTITY if key in one and key in other]
    return "name" in shared and all(one[key] == other[key] for key in shared)


def _override(raw: dict[str, Any], environment: Mapping[str, str]) -> None:
    """Put `VPCFLOW__A__B=value` at raw["a"]["b"]; numbers are list positions. Values are TOML where they can be."""
    for name, text in sorted(environment.items()):
        if not name.startswith(ENVIRONMENT_PREFIX):
            continue
        *path, last = name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
        place: Any = raw
        for position, part in enumerate(path):
            following = [*path, last][position + 1]
            place = _step(place, part, [] if following.isdigit() else {})
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text
        if isinstance(place, list):
            _step(place, last, value)
            place[int(last)] = value
        else:
            place[last] = value


def _step(place: Any, part: str, new: Any) -> Any:
    """The child `part` of a table or a list, made when it is not there."""
    if isinstance(place, list):
        while len(place) <= int(part):
            place.append(new)
        return place[int(part)]
    return place.setdefault(part, new)


def _fault(detail: ErrorDetails) -> Fault:
    key = _spell(detail["loc"])
    field = _field(Settings, detail["loc"])
    if detail["type"] == "extra_forbidden":
        names = _names(Settings, detail["loc"][:-1])
        close = difflib.get_close_matches(str(detail["loc"][-1]), names, n=1)
        fix = f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(sorted(names))}"
        return Fault(key, detail["input"], "there is no such setting", fix)
    help_text = f" ({field})" if field else ""
    problem = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return Fault(key, None if detail["type"] == "missing" else detail["input"], problem, f"mend it{help_text}")


def _spell(location: tuple[int | str, ...]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _model_at(model: type[BaseModel], location: tuple[int | str, ...]) -> type[BaseModel] | None:
    """The settings class a location lies in; list positions stay in the same class."""
    here: type[BaseModel] | None = model
    for part in location:
        if isinstance(part, int) or here is None:
            continue
        info = here.model_fields.get(part)
        here = next(iter(_models(info.annotation)), None) if info else None
    return here


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and not get_origin(annotation) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _names(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    here = _model_at(model, location)
    return list(here.model_fields) if here else []


def _field(model: type[BaseModel], location: tuple[int | str, ...]) -> str:
    words = [part for part in location if isinstance(part, str)]
    while words:
        here = _model_at(model, tuple(words[:-1]))
        if here and words[-1] in here.model_fields:
            return here.model_fields[words[-1]].description or ""
        words.pop()
    return ""


def _cross_checks(settings: Settings) -> Iterator[Fault]:
    """What no single setting can know."""
    yield from _access_file_faults(settings.aws)
    if settings.discovery.network_names:
        yield from _network_name_faults(settings.discovery.network_names)
    names = [collector.name for collector in settings.collectors]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Fault("collectors", name, "two collectors have this name", "names label metrics: give each its own")
    for index, collector in enumerate(settings.collectors):
        yield from _message_size_faults(f"collectors[{index}].message_size", collector)
    for stream in settings.streams:
        yield from property_faults(stream)
    enabled = sum(stream.enabled for stream in settings.streams)
    if enabled > settings.kcl.max_streams:
        fix = "raise kcl.max_streams (each stream is a JVM of some 250 MB), or lead the subscriptions to fewer streams"
        yield Fault("streams", enabled, f"more streams than kcl.max_streams = {settings.kcl.max_streams}", fix)
    if settings.kcl.shutdown_grace_ms <= settings.agent.stop_grace_seconds * 1000:
        fix = "the daemon must outwait the delivery at hand for its last checkpoint: raise it, or lower the other"
        problem = f"not longer than agent.stop_grace_seconds = {settings.agent.stop_grace_seconds:g}"
        yield Fault("kcl.shutdown_grace_ms", settings.kcl.shutdown_grace_ms, problem, fix)
    queues = [queue.place for queue in settings.queues]
    for place in sorted({one for one in queues if queues.count(one) > 1}):
        yield Fault("queues", "/".join(place), "this queue is listed twice", "remove one")
    streams = [(stream.region, stream.name) for stream in settings.streams]
    for region, name in sorted({stream for stream in streams if streams.count(stream) > 1}, key=str):
        yield Fault(
            "streams",
            f"{region}/{name}",
            "this stream is listed twice",
            "two daemons would fight over its leases: remove one",
        )


def _access_file_faults(aws: AwsSettings) -> Iterator[Fault]:
    for file, read in ((aws.credentials_file, read_profiles), (aws.role_file, read_roles)):
        try:
            if file:
                read(Path(file))
        except ConfigurationError as error:
            yield from error.faults


def _network_name_faults(files: Sequence[str]) -> Iterator[Fault]:
    from consumer.discovery.inventory.own_names import read_names  # with NumPy, which no other setting needs

    yield from read_names(files).faults


def _message_size_faults(key: str, collector: CollectorSettings) -> Iterator[Fault]:
    """A template record cannot be split, so what a profile needs is known before the first flow."""
    from consumer.encode.limits import smallest_message_size  # with NumPy, which no other setting needs

    encoding = EncodingSettings(
        profile=collector.profile,
        include_identifiers=collector.include_identifiers,
        pads_messages=collector.may_burst,
        message_size=collector.largest_message,
    )
    smallest = smallest_message_size(encoding)
    if collector.largest_message < smallest:
        problem = f"a template of profile {collector.profile} needs {smallest} bytes and cannot be split"
        yield Fault(key, collector.message_size, problem, f"set it to {smallest} or more, or choose a smaller profile")

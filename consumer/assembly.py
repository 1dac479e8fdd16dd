"""What an agent and a replay are both made of: lanes, and the collectors with the encodings they need.

Belongs here: making the parts that carry records, and connecting them. Does not: when they run (agent/, tools/).
"""

from __future__ import annotations

import errno
import gc
import socket
import sys
from collections.abc import Hashable, Mapping, Sequence
from ipaddress import IPv4Address
from types import TracebackType
from typing import Self

from consumer import decode, enrich, parquet
from consumer.clock import Clock
from consumer.decode.decoder import Decoder
from consumer.encode import options
from consumer.encode.activity import ActiveInterfaces
from consumer.encode.encoder import Encoder
from consumer.encode.limits import check_message_size
from consumer.encode.settings import EncodingSettings
from consumer.encode.warm_up import warm_up as warm_up_encode
from consumer.enrich.join import Joiner
from consumer.export import stamping, vectors
from consumer.export.collector import Collector
from consumer.export.process import ExportingProcess
from consumer.export.settings import CollectorSettings, OptionKind
from consumer.export.status import CollectorCounts, Observer
from consumer.model.messages import MessageBatch
from consumer.pipeline import Lane
from consumer.select import identity, log_status, repeats

ACTIVE_SECONDS = 3600.0
"""An interface is named while it recorded a flow within this time."""
_SWITCH_SECONDS = 0.0005
"""How long a thread may keep the interpreter that another waits for."""


def warm_up() -> None:
    """Compile every kernel, or load it from the cache; what that made stays for good, so nobody looks at it again.

    A full garbage collection holds all threads, and most of what it looked at was the compiler's: measured with
    benchmarks.swap, 90 ms each. And whoever leaves a kernel while another thread is at work in Python waits for the
    interpreter, ten times and more a batch: by Python's default 5 ms each, a batch took 93 ms while a plan was made.
    """
    parquet.warm_up()
    decode.warm_up()
    log_status.warm_up()
    identity.warm_up()
    repeats.warm_up()
    enrich.warm_up()
    warm_up_encode()
    stamping.warm_up()
    vectors.warm_up()
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(_SWITCH_SECONDS)


class OptionsBuilder:
    """Implements export's OptionsSource with what encode can say."""

    def __init__(self, encodings: Mapping[Hashable, EncodingSettings], active: ActiveInterfaces, clock: Clock) -> None:
        self._encodings = encodings
        self._active = active
        self._clock = clock

    def build(
        self, kind: OptionKind, encoding_key: Hashable, domain: int, message_limit: int, counts: CollectorCounts
    ) -> MessageBatch | None:
        settings = self._encodings[encoding_key].model_copy(update={"message_size": message_limit})
        if kind == "selector":
            return options.selection(settings, domain)
        if kind == "statistics":
            return options.exporting_statistics(
                settings,
                domain,
                messages=counts.messages,
                flow_records=counts.records,
                octets=counts.octets,
                not_sent=counts.dropped_records,
            )
        if kind == "types":
            return options.type_information(settings, domain) if settings.profile == "full" else None
        names = list(self._active.names(domain, self._clock.monotonic() - ACTIVE_SECONDS))
        return options.interface_names(settings, domain, names) if names else None


class Outlet:
    """The collectors of one agent or replay and what they must be given: an encoding each, shared where equal."""

    def __init__(
        self,
        collectors: Sequence[CollectorSettings],
        private_enterprise_number: int,
        clock: Clock,
        observer: Observer | None = None,
    ) -> None:
        """Raises ConfigurationError when a message size is too small for the profile."""
        self.encodings: dict[Hashable, EncodingSettings] = {}
        """By number: it is looked up some ten times a batch, and settings take 2 µs to be compared."""
        numbers: dict[EncodingSettings, int] = {}
        parts = []
        for settings in collectors:
            encoding = EncodingSettings(
                profile=settings.profile,
                message_size=settings.largest_message,
                private_enterprise_number=private_enterprise_number,
                include_identifiers=settings.include_identifiers,
                pads_messages=settings.may_burst,
            )
            check_message_size(encoding)
            number = numbers.setdefault(encoding, len(numbers))
            self.encodings[number] = encoding
            parts.append(Collector(settings, clock, encoding_key=number, observer=observer))
        self.active_interfaces = ActiveInterfaces()
        builder = OptionsBuilder(self.encodings, self.active_interfaces, clock)
        self.exporting_process = ExportingProcess(parts, clock, builder)

    def first_counts(self) -> CollectorCounts:
        """Totals of the first collector, the one whose records a summary counts."""
        return self.exporting_process.collectors[0].counts

    def __enter__(self) -> Self:
        self.exporting_process.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.exporting_process.close()


def build_lanes(outlet: Outlet, count: int, exporter_address: int) -> list[Lane]:
    """`count` lanes that encode for every collector of `outlet`. `exporter_address`: ours, where a VPC is unknown."""
    return [
        Lane(
            Decoder(),
            Joiner(exporter_address),
            {key: Encoder(settings) for key, settings in outlet.encodings.items()},
            outlet.active_interfaces,
        )
        for _ in range(count)
    ]


_ANYWHERE = ("192.0.2.1", 4739)
"""A documentation address (RFC 5737): the route to it is the default route. Nothing is sent there."""


def own_address(collectors: Sequence[CollectorSettings]) -> int:
    """The IPv4 address this machine sends from to the first collector; 0 when it has none.

    Connecting a UDP socket only asks the kernel for the route. A collector given by name is not looked up (that may
    block); the default route answers for it.
    """
    destination = next((collector.destination for collector in collectors), None)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            is_address = destination is not None and destination.host.replace(".", "").isdigit()
            probe.connect((destination.host, destination.port) if destination and is_address else _ANYWHERE)
        except OSError:
            return 0
        return int(IPv4Address(probe.getsockname()[0]))


def is_free_port(port: int) -> bool:
    """True when UDP sockets of this machine may have `port`, for collectors of either family."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind(("", port))
        except OSError as error:
            if error.errno != errno.EAFNOSUPPORT:
                return False
    return True

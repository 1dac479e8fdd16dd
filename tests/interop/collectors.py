"""Collectors nobody here wrote: started on a port of loopback, stopped, and read back field by field.

Each says which fields of `Expected` it can show; a flow becomes a dictionary of those. Quirks were measured with
tshark 4.0, nfdump 1.7.1, pmacct 1.7.7 and goflow2 2.2.6.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any, ClassVar

import orjson

from scripts.collectors import SEARCH_PATH, TOOLS
from tests.interop.flows import ENTERPRISE_STRINGS, PEN, Expected
from tests.interop.replaying import wait_until
from tests.support.pcap import write_capture
from tests.support.udp import receive_queue, unused_port

Seen = dict[str, Any]

_BASICS = frozenset(
    ("source", "destination", "source_port", "destination_port", "protocol", "octets", "packets", "start_ms", "end_ms")
)
_PROTOCOLS = {"tcp": 6, "udp": 17, "ipv6-icmp": 58, "sctp": 132}
_STOP_SECONDS = 60
_JSON = json.JSONDecoder()
_QUIET_SECONDS = 0.5


def program(name: str) -> str:
    """Path of a foreign program. Fails, not skips, when it is not there: this test proves nothing without."""
    found = shutil.which(name, path=SEARCH_PATH) or shutil.which(name, path=str(TOOLS / "bin"))
    assert found, f"{name} is not installed: `make interop` prepares the collectors"
    return found


def project(flow: Expected, shown: Iterable[str]) -> Seen:
    """The flow as a collector that shows `shown` must report it; `string_N` is the text in element N of ours."""
    values: Seen = {name: getattr(flow, name) for name in shown if not name.startswith("string_")}
    return values | {name: flow.strings[int(name[7:])] for name in shown if name.startswith("string_")}


def multiset(flows: Iterable[Mapping[str, Any]]) -> Counter[tuple[tuple[str, Any], ...]]:
    """Flows to be compared regardless of their order."""
    return Counter(tuple(sorted(flow.items())) for flow in flows)


def assert_same(seen: Iterable[Seen], wanted: Iterable[Seen]) -> None:
    """Every flow once, every field equal."""
    got, expected = multiset(seen), multiset(wanted)
    assert got.total() == expected.total()
    assert list(got - expected) == list(expected - got) == []


class ForeignCollector(ABC):
    """One program listening on `address`; use as a context manager, then `read`."""

    name: ClassVar[str]
    shows_always: ClassVar[frozenset[str]]
    shows_strings: ClassVar[bool] = True

    def __init__(self, folder: Path, strings: Iterable[int] = ENTERPRISE_STRINGS, host: str = "127.0.0.1") -> None:
        """`strings`: elements of ours that it is told to show. `host`: 127.0.0.1 or ::1, where it listens."""
        self.strings = tuple(strings)
        self.host = host
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = unused_port(host)
        self._log = folder / f"{self.name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def shows(self) -> frozenset[str]:
        """Names of the fields a flow has when it was read back."""
        return self.shows_always | {f"string_{number}" for number in self.strings if self.shows_strings}

    def show(self, flow: Expected) -> Seen:
        """What it must report of a flow."""
        return project(flow, self.shows)

    @abstractmethod
    def argv(self) -> list[str]:
        """The command; files it needs are written here."""

    @abstractmethod
    def read(self) -> list[Seen]:
        """The flows it stored, after it was stopped."""

    def __enter__(self) -> ForeignCollector:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self.argv(), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        process = self._process

        def is_up() -> bool:
            assert process.poll() is None, f"{self.name} ended: {self._log.read_text()}"
            return receive_queue(self.port) is not None

        wait_until(f"{self.name} to listen", is_up)

    def stop(self, *, after_everything: bool = True) -> None:
        """Let it read what waits in its socket, then end it the way that makes it write its files.

        `after_everything`: nothing more is being sent to it. Else it ends at a moment at which nothing waits there.
        """
        if self._process is None:
            return
        try:
            wait_until(f"{self.name} to read its socket", lambda: not receive_queue(self.port))
            if after_everything:
                self.settle()
            self._process.send_signal(self.stop_signal)
            self._process.wait(_STOP_SECONDS)
            self.flush()
        finally:
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()
            self._process = None

    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def settle(self) -> None:
        """Wait for what it took from its socket and has not written, where it would lose that at its end."""
        return

    def flush(self) -> None:
        """Wait for what it still writes after its main process ended."""
        return


class Nfcapd(ForeignCollector):
    """nfcapd stores, nfdump prints. Our own elements and forwardingStatus are not shown by 1.7.1."""

    name = "nfcapd"
    shows_always = _BASICS | {"tcp_flags", "direction"}
    shows_strings = False

    def show(self, flow: Expected) -> Seen:
        return super().show(flow) | {"direction": flow.direction or 0}  # it has no "not logged", it says 0

    def argv(self) -> list[str]:
        (self.folder / "nfcapd").mkdir(exist_ok=True)
        # One file for an hour: rotation in the middle of a test would only spread the flows.
        store = str(self.folder / "nfcapd")
        return [program("nfcapd"), "-w", store, "-p", str(self.port), "-b", self.host, "-t", "3600"]

    def read(self) -> list[Seen]:
        files = sorted((self.folder / "nfcapd").glob("nfcapd.2*"))
        assert files, self._log.read_text()
        return [self._flow(record) for file in files for record in self._records(file)]

    def _records(self, file: Path) -> list[dict[str, Any]]:
        argv = [program("nfdump"), "-r", str(file), "-o", "json"]
        printed = subprocess.run(argv, capture_output=True, check=True, env={"TZ": "UTC"}).stdout
        found: list[dict[str, Any]] = orjson.loads(printed) if printed.strip().startswith(b"[") else []
        return found

    @staticmethod
    def _flow(record: Mapping[str, Any]) -> Seen:
        is_ipv4 = "src4_addr" in record
        return {
            "source": str(ip_address(record["src4_addr" if is_ipv4 else "src6_addr"])),
            "destination": str(ip_address(record["dst4_addr" if is_ipv4 else "dst6_addr"])),
            "source_port": record.get("src_port", 0),
            "destination_port": record.get("dst_port", 0),  # ICMP shows type and code instead, from port 0
            "protocol": record["proto"],
            "octets": record["in_bytes"],
            "packets": record["in_packets"],
            "start_ms": _milliseconds(record["first"]),
            "end_ms": _milliseconds(record["last"]),
            "tcp_flags": sum(1 << 7 - place for place, flag in enumerate(record.get("tcp_flags", "")) if flag != "."),
            "direction": record["direction"],
        }

    def sequence_errors(self) -> int:
        """What it counted over its life, as it says when it ends."""
        text = self._log.read_text()
        return sum(int(part.split(",")[0]) for part in text.split("Sequence Errors: ")[1:])


class Nfacctd(ForeignCollector):
    """pmacct: custom primitives name our own elements; texts and octets both work."""

    name = "nfacctd"
    shows_always = _BASICS | {"tcp_flags", "status", "traffic_path"}
    stop_signal = signal.SIGINT  # its way to write what it holds

    def argv(self) -> list[str]:
        primitives = [f"name=string_{n} field_type={PEN}:{n} len=vlen semantics=str" for n in self.strings]
        primitives += [
            f"name=traffic_path field_type={PEN}:1020 len=1 semantics=u_int",
            "name=status field_type=89 len=1 semantics=u_int",
        ]
        (self.folder / "primitives.lst").write_text("\n".join(primitives) + "\n")
        names = [line.split()[0].removeprefix("name=") for line in primitives]
        keys = "src_host,dst_host,src_port,dst_port,proto,tcpflags,timestamp_start,timestamp_end"
        settings = {
            "daemonize": "false",
            "nfacctd_ip": self.host,
            "nfacctd_port": self.port,
            "plugins": "print",
            "aggregate": ",".join([keys, *names]),
            "aggregate_primitives": self.folder / "primitives.lst",
            "timestamps_utc": "true",
            # No plugin_buffer_size: with one, 1.7.7 crashes as it writes records that hold texts.
            "print_output": "json",
            "print_output_file": self.folder / "nfacctd.json",
            "print_output_file_append": "true",
            "print_refresh_time": 3600,
            "pidfile": self.folder / "nfacctd.pid",
        }
        file = self.folder / "nfacctd.conf"
        file.write_text("".join(f"{key}: {value}\n" for key, value in settings.items()))
        return [program("nfacctd"), "-f", str(file)]

    def start(self) -> None:
        self._log.unlink(missing_ok=True)
        super().start()

    def settle(self) -> None:
        """What it took from its socket is on its way to its plugin, and lost there when it ends at once."""
        time.sleep(2 * _QUIET_SECONDS)

    def flush(self) -> None:
        """The plugin is another process, which writes after the first has ended."""
        wait_until("nfacctd's plugin to write", lambda: "Purging cache - END" in self._log.read_text())

    def read(self) -> list[Seen]:
        return [self._flow(orjson.loads(line)) for line in _lines(self.folder / "nfacctd.json")]

    def _flow(self, record: Mapping[str, Any]) -> Seen:
        return {
            "source": str(ip_address(record["ip_src"])),
            "destination": str(ip_address(record["ip_dst"])),
            "source_port": record["port_src"],
            "destination_port": record["port_dst"],
            "protocol": _PROTOCOLS[record["ip_proto"]],
            "octets": record["bytes"],
            "packets": record["packets"],
            "start_ms": _milliseconds(record["timestamp_start"]),
            "end_ms": _milliseconds(record["timestamp_end"]),
            "tcp_flags": int(record["tcp_flags"]),
            "status": int(record["status"]),
            "traffic_path": int(record["traffic_path"]),
        } | {f"string_{number}": record[f"string_{number}"] for number in self.strings}


class Goflow2(ForeignCollector):
    """goflow2: a mapping file names our own elements; numbers and texts both work."""

    name = "goflow2"
    shows_always = _BASICS | {"tcp_flags", "status", "direction", "traffic_path"}

    def argv(self) -> list[str]:
        texts = [f"string_{number}" for number in self.strings]
        numbers = ["traffic_path", "direction"]
        built_in = [
            "sequence_num",
            "time_flow_start_ns",
            "time_flow_end_ns",
            "bytes",
            "packets",
            "src_addr",
            "dst_addr",
            "proto",
            "src_port",
            "dst_port",
            "tcp_flags",
            "forwarding_status",
            "observation_domain_id",
        ]
        declared = [f"    - {{name: {name}, index: {2000 + i}, type: string}}" for i, name in enumerate(texts)]
        declared += [f"    - {{name: {name}, index: {3000 + i}, type: varint}}" for i, name in enumerate(numbers)]
        mapped = [f"    - {{field: {n}, penprovided: true, pen: {PEN}, destination: string_{n}}}" for n in self.strings]
        mapped += [f"    - {{field: 1020, penprovided: true, pen: {PEN}, destination: traffic_path}}"]
        mapped += ["    - {field: 61, destination: direction}"]
        lines = [
            "formatter:",
            f"  fields: [{', '.join([*built_in, *texts, *numbers])}]",
            "  protobuf:",
            *declared,
            f"  render: {{{', '.join(f'{name}: string' for name in texts)}}}",
            "ipfix:",
            "  mapping:",
            *mapped,
        ]
        (self.folder / "mapping.yaml").write_text("\n".join(lines) + "\n")
        return [
            program("goflow2"), "-listen", f"netflow://{self.address}", "-addr", "",
            "-format", "json", "-mapping", str(self.folder / "mapping.yaml"),
            "-transport.file", str(self.folder / "goflow2.json"),
        ]  # fmt: skip

    def settle(self) -> None:
        """Workers behind a queue print; there is no sign of an empty queue but that nothing more is printed."""
        file, before = self.folder / "goflow2.json", -1
        while before != (before := len(file.read_bytes()) if file.exists() else 0):
            time.sleep(_QUIET_SECONDS)

    def read(self) -> list[Seen]:
        return [self._flow(record) for record in self.records()]

    def records(self) -> list[dict[str, Any]]:
        """As it printed them. Its two workers share the file: now and then two objects stand on one line."""
        text, place, found = (self.folder / "goflow2.json").read_text().strip(), 0, []
        while place < len(text):
            record, place = _JSON.raw_decode(text, place)
            found.append(record)
            while place < len(text) and text[place].isspace():
                place += 1
        return found

    def _flow(self, record: Mapping[str, Any]) -> Seen:
        return {
            "source": str(ip_address(record["src_addr"])),
            "destination": str(ip_address(record["dst_addr"])),
            "source_port": record["src_port"],
            "destination_port": record["dst_port"],
            "protocol": _PROTOCOLS[record["proto"].lower()],
            "octets": record["bytes"],
            "packets": record["packets"],
            "start_ms": record["time_flow_start_ns"] // 1_000_000,
            "end_ms": record["time_flow_end_ns"] // 1_000_000,
            "tcp_flags": record["tcp_flags"],
            "status": record["forwarding_status"],
            "direction": record.get("direction"),
            "traffic_path": record.get("traffic_path"),
        } | {f"string_{number}": record.get(f"string_{number}") for number in self.strings}


def tshark_messages(file: Path, datagrams: Iterable[bytes]) -> list[dict[str, Any]]:
    """Each datagram's IPFIX layer as tshark dissects it, in order. Writes the capture to `file`."""
    write_capture(file, datagrams)
    argv = [program("tshark"), "-r", str(file), "-T", "json", "--no-duplicate-keys"]
    done = subprocess.run(argv, capture_output=True, check=True)
    return [packet["_source"]["layers"]["cflow"] for packet in orjson.loads(done.stdout)]


def _lines(file: Path) -> list[bytes]:
    return file.read_bytes().splitlines() if file.exists() else []


def _milliseconds(text: str) -> int:
    """`2023-11-14T22:13:20.000` or `2023-11-14 22:13:20.000000`, UTC."""
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)

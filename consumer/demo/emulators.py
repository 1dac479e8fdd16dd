"""The emulated AWS of the demo and of the integration tests: moto server and kinesis-local, on loopback.

Belongs here: starting and ending both, and the environment that leads clients to them. Does not: what is in the
estate (the demo's network, the tests' streams). kinesis-local answers for Kinesis, moto for everything else.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from consumer.demo.certificate import write_certificate
from consumer.demo.node import find_kinesis_local, find_node
from consumer.errors import MissingPrerequisiteError
from consumer.kcl.tether import tethered

ACCOUNT = "123456789012"
"""moto's account. A 12-digit access key makes kinesis-local use the same one (it takes the key for the account)."""
REGION = "us-east-1"
START_SECONDS = 180.0
_POLL_SECONDS = 0.05
_PRELOAD = Path(__file__).with_name("kinesis_local_preload.cjs")


class EmulatedAws:
    """Both servers, from `start` to `stop`. They die with the thread that called `start`, however it ends.

    `folder` takes their certificate and logs. The two endpoints and `environment` are known after `start`.
    """

    def __init__(self, folder: Path, *, access_key: str = ACCOUNT, region: str = REGION) -> None:
        self.folder = folder
        self.region = region
        self.kinesis_endpoint = ""
        self.moto_endpoint = ""
        self.ca_bundle = folder / "certificate.pem"
        self._access_key = access_key
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def environment(self) -> dict[str, str]:
        """The standard variables of every AWS SDK; lay them over the environment of an agent or of this process."""
        return {
            "AWS_ENDPOINT_URL": self.moto_endpoint,
            "AWS_ENDPOINT_URL_KINESIS": self.kinesis_endpoint,
            "AWS_CA_BUNDLE": str(self.ca_bundle),
            "AWS_ACCESS_KEY_ID": self._access_key,
            "AWS_SECRET_ACCESS_KEY": "emulated",
            "AWS_SESSION_TOKEN": "emulated",
            "AWS_DEFAULT_REGION": self.region,
            "AWS_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "localhost,127.0.0.1",
        }

    def start(self) -> None:
        """Start both at once and wait until both answer. Raises MissingPrerequisiteError when a part is missing."""
        self.folder.mkdir(parents=True, exist_ok=True)
        node, script = find_node(), find_kinesis_local()
        _, server = write_certificate(self.folder)
        moto_port, tls_port, plain_port = free_ports(3)
        self.moto_endpoint = f"http://127.0.0.1:{moto_port}"
        self.kinesis_endpoint = f"https://localhost:{tls_port}"
        try:
            kinesis = self._launch(
                "kinesis-local",
                # The heap bound keeps a long demo from growing: Node collects lazily below its default of gigabytes.
                [str(node.node), "--max-old-space-size=512", "--require", str(_PRELOAD), str(script)],
                {
                    "KINESIS_MOCK_TLS_PORT": str(tls_port),
                    "KINESIS_MOCK_PLAIN_PORT": str(plain_port),
                    "KINESIS_MOCK_CERT_PATH": str(server),
                    "AWS_ACCOUNT_ID": ACCOUNT,
                    "AWS_REGION": self.region,
                    "LOG_LEVEL": "ERROR",
                },
            )
            # `python -c` and not the moto_server script: its shebang breaks in a path with a space.
            moto = self._launch(
                "moto",
                [sys.executable, "-c", _RUN_MOTO, "-H", "127.0.0.1", "-p", str(moto_port)],
                {},  # no MOTO_ACCOUNT_ID: it would make every assumed role land in that one account
            )
            self._wait("moto server", moto, lambda: _answers(f"{self.moto_endpoint}/moto-api/"))
            self._wait("kinesis-local", kinesis, lambda: _accepts(plain_port) and _accepts(tls_port))
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End both and wait for them; harmless when they never started.

        SIGKILL: they hold nothing but memory, and kinesis-local takes more than 5 s over a SIGTERM.
        """
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()
        self._processes.clear()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _launch(self, name: str, command: list[str], extra: Mapping[str, str]) -> subprocess.Popen[bytes]:
        # Endpoints of an outer emulator must not reach these servers, which are AWS themselves.
        outer = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                tethered(command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**outer, **extra},
                process_group=0,  # Ctrl-C is for whoever started us: an agent must checkpoint before AWS goes away
            )
        self._processes.append(process)
        return process

    def _wait(self, name: str, process: subprocess.Popen[bytes], is_ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                log = self.folder / f"{name.removesuffix(' server')}.log"
                tail = log.read_text(errors="replace")[-2000:]
                raise MissingPrerequisiteError(f"{name} did not start (exit {process.poll()}); its log ends: {tail}")
            time.sleep(_POLL_SECONDS)


_RUN_MOTO = "import sys; from moto.server import main; sys.exit(main(sys.argv[1:]))"


_reserved: list[socket.socket] = []
"""Bound and not listening: whoever asks the kernel for any port is given another one (see `free_ports`)."""


def free_ports(count: int) -> list[int]:
    """`count` different loopback TCP ports, kept for servers of this process's making as long as it lives.

    A server takes seconds to start, and somebody else could have been given its port meanwhile. Linux lets a server
    with SO_REUSEADDR (all of these) listen where such a socket is bound and does not listen itself.
    """
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        each.bind(("127.0.0.1", 0))
    _reserved.extend(sockets)
    return [int(each.getsockname()[1]) for each in sockets]


def _accepts(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return int(answer.status) == 200
    except OSError:
        return False


def remove_folder(folder: Path) -> None:
    """Remove what a run left; nothing of it is of use afterwards."""
    shutil.rmtree(folder, ignore_errors=True)

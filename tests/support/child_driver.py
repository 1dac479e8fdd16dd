"""Plays daemon and agent to one real child process: JSON lines on its stdin and stdout, frames on the socket."""

from __future__ import annotations

import json
import socket
import subprocess
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from consumer.kcl.child import ANSWER, HELLO, RECORDS, WELCOME, receive_frame, send_frame
from consumer.kcl.run_folder import RunFolder

WAIT_SECONDS = 90


class ChildDriver:
    """A child from `__enter__` to `__exit__`. `initialize` connects it; the rest is up to the test."""

    def __init__(self, folder: Path, checkpoint_seconds: float = 3600.0, flags: Sequence[str] = ()) -> None:
        self.checkpoint_seconds = checkpoint_seconds
        self.hello: dict[str, Any] = {}
        self.link: socket.socket
        self._run_folder = RunFolder(folder / "run")
        self._flags = flags
        self._stderr = folder / "stderr.txt"
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.process: subprocess.Popen[bytes]

    def __enter__(self) -> ChildDriver:
        self._run_folder.__enter__()
        self._listener.bind(str(self._run_folder.socket))
        self._listener.listen()
        self._listener.settimeout(WAIT_SECONDS)
        command = self._run_folder.write_launcher().split(" ")
        if self._flags:
            launcher = Path(command[-1])
            launcher.write_text(launcher.read_text().replace(" -I -S ", f" {' '.join(self._flags)} -I -S "))
        with self._stderr.open("wb") as stderr:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, bufsize=0
            )
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
        self._listener.close()
        if hasattr(self, "link"):
            self.link.close()
        self._run_folder.__exit__(None, None, None)

    @property
    def pid(self) -> int:
        return self.process.pid

    # --- the daemon's side -------------------------------------------------------------------------------------------

    def tell(self, action: str, **content: object) -> None:
        """Write one message of the daemon."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"action": action, **content}).encode() + b"\n")

    def tell_records(self, *payloads: bytes, first: int = 1) -> None:
        """processRecords with sequence numbers `first`, `first` + 1, …"""
        entries = [
            {
                "action": "record",
                "data": b64encode(payload).decode(),
                "partitionKey": "key",
                "sequenceNumber": str(first + number),
                "subSequenceNumber": 0,
                "approximateArrivalTimestamp": 1_700_000_000_000,
            }
            for number, payload in enumerate(payloads)
        ]
        self.tell("processRecords", records=entries, millisBehindLatest=0)

    def heard(self) -> dict[str, Any]:
        """The child's next message to the daemon."""
        assert self.process.stdout is not None
        while True:
            line = self.process.stdout.readline()
            assert line, "the child ended"
            if line.strip():
                content: dict[str, Any] = json.loads(line)
                return content

    def heard_status(self, of: str) -> None:
        assert self.heard() == {"action": "status", "responseFor": of}

    def close_stdin(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def checkpointed(self, *, error: str | None = None) -> str | None:
        """Hear the child's checkpoint and answer it; returns the sequence number (None = the end of the shard)."""
        message = self.heard()
        assert message["action"] == "checkpoint", message
        self.tell(
            "checkpoint",
            sequenceNumber=message["sequenceNumber"],
            subSequenceNumber=message["subSequenceNumber"],
            error=error,
        )
        number: str | None = message["sequenceNumber"]
        return number

    # --- the agent's side --------------------------------------------------------------------------------------------

    def initialize(self) -> None:
        """Both sides of the beginning: the daemon's initialize, the hello, the welcome."""
        self.tell("initialize", shardId="shardId-000000000007", sequenceNumber="TRIM_HORIZON", subSequenceNumber=0)
        self.link, _ = self._listener.accept()
        self.link.settimeout(WAIT_SECONDS)
        kind, body = self.frame()
        assert kind == HELLO
        self.hello = json.loads(body)
        send_frame(self.link, WELCOME, json.dumps({"checkpoint_seconds": self.checkpoint_seconds}).encode())
        self.heard_status("initialize")

    def frame(self) -> tuple[bytes, bytearray]:
        """The child's next frame to the agent."""
        frame = receive_frame(self.link)
        assert frame is not None, "the child closed its socket"
        return frame

    def records(self) -> dict[str, Any]:
        """The processRecords message that the child handed over."""
        kind, body = self.frame()
        assert kind == RECORDS
        content: dict[str, Any] = json.loads(body)
        return content

    def answer(self, exported: int | None, *, complete: bool = True) -> None:
        sequence = None if exported is None else str(exported)
        send_frame(self.link, ANSWER, json.dumps({"sequence": sequence, "sub": 0, "complete": complete}).encode())

    # --- its end -----------------------------------------------------------------------------------------------------

    def exit_code(self) -> int:
        return self.process.wait(WAIT_SECONDS)

    def said(self) -> str:
        """What it wrote to stderr, to its end."""
        self.process.wait(WAIT_SECONDS)
        return self._stderr.read_text()

    def memory_kib(self, what: str) -> int:
        """VmRSS (now) or VmHWM (peak) of the process."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(f"{what}:"))

    def open_file(self, descriptor: int) -> str:
        return str(Path(f"/proc/{self.pid}/fd/{descriptor}").readlink())

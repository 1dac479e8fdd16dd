"""The child: what the MultiLangDaemon starts for every shard it leases. It carries, it does not understand.

Run as a script (`python -I -S child.py SOCKET PACKAGES`), standard library and amazon_kclpy only: a hundred shards
must cost little, so nothing heavy may be imported here and nothing of `consumer` is. The agent imports the framing
below from here, so it exists once.

Daemon ⇄ child: JSON lines on stdin and stdout (amazon_kclpy speaks them). Child ⇄ agent: frames on a Unix socket,

    kind (1 byte) · size of the body (4 bytes, big-endian) · body

    child → agent  H  hello: {"shard", "sequence", "sub", "pid", "daemon"}: where KCL lets the shard begin,
                      and the process ids of the child and of its daemon
    agent → child  W  welcome: {"checkpoint_seconds"}
    child → agent  R  records: the daemon's processRecords line, raw, also when it holds no record
    agent → child  A  answer to R: {"sequence", "sub", "complete"}: the last record *fully exported*, null = none yet;
                      complete = everything handed over so far is exported, false = the agent stops
    child → agent  E  end: the reason; the socket closes and nothing is wrong

Rules, each learnt from a known fault of the daemon or of amazon_kclpy:
- stdout is the wire: it is moved away and file descriptor 1 becomes stderr, so a stray print cannot break it;
- amazon_kclpy swallows exceptions and reports success: ours end the process at once, without a checkpoint;
- only what the agent calls exported is checkpointed, by number; on an interval, when caught up, and at the end;
- a finished shard is checkpointed as finished once all of it is exported, else the process ends hard;
- after a lost lease nothing is checkpointed;
- SIGTERM and SIGINT are ignored (a service manager sends them to the whole group): the end is stdin's end, or the
  end of the agent's socket, and both are watched while waiting for either.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import struct
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, NoReturn, TextIO

HELLO = b"H"
WELCOME = b"W"
RECORDS = b"R"
ANSWER = b"A"
END = b"E"

_HEAD = struct.Struct(">cI")
HARD_EXIT = 3
CHECKPOINT_TRIES = 5
CHECKPOINT_RETRY_SECONDS = 0.5
QUIET_CHECKPOINT_SECONDS = 1.0
"""A call without records (caught up) may checkpoint sooner than the interval, but not more often than this."""
_READ_BYTES = 1 << 20
_PASSING = ("ThrottlingException", "KinesisClientLibDependencyException")
"""CheckpointErrors that may go away (throttled; DynamoDB not reachable); the lease is still ours."""
_LEASE_LOST = "ShutdownException"


def send_frame(link: socket.socket, kind: bytes, body: bytes) -> None:
    """Send one frame; blocks until the kernel took it all. OSError when the other side is gone."""
    link.sendall(_HEAD.pack(kind, len(body)))
    link.sendall(body)


def receive_frame(link: socket.socket) -> tuple[bytes, bytearray] | None:
    """Receive one frame as (kind, body), blocking; None when the other side closed, also in mid-frame."""
    head = _receive(link, _HEAD.size)
    if head is None:
        return None
    kind, size = _HEAD.unpack(head)
    body = _receive(link, size)
    return None if body is None else (kind, body)


def _receive(link: socket.socket, size: int) -> bytearray | None:
    buffer = bytearray(size)
    view = memoryview(buffer)
    position = 0
    while position < size:
        count = link.recv_into(view[position:])
        if count == 0:
            return None
        position += count
    return buffer


def end_hard(reason: str) -> NoReturn:
    """End without a checkpoint: the daemon ends with us, the agent starts it again, KCL delivers again."""
    sys.stderr.write(f"vpcflow child ends without a checkpoint: {reason}\n")
    sys.stderr.flush()
    os._exit(HARD_EXIT)


class Wire:
    """stdin as amazon_kclpy wants it (`readline`), except that it remembers the line and hears the agent end."""

    def __init__(self, descriptor: int) -> None:
        self.line = b""
        self._descriptor = descriptor
        self._rest = b""
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)
        self._agent = -1

    def watch(self, agent: int) -> None:
        """From now on the end of the agent's socket (a descriptor) ends a wait for the daemon."""
        self._poll.register(agent, select.POLLRDHUP)
        self._agent = agent

    def unwatch(self) -> None:
        """The agent may go: we said goodbye."""
        if self._agent >= 0:
            self._poll.unregister(self._agent)
            self._agent = -1

    def readline(self) -> bytes:
        """The next line with its line feed; empty at the end of stdin. Ends the process when the agent is gone."""
        self.line = b""
        pieces = [self._rest]
        while b"\n" not in pieces[-1]:
            events = self._poll.poll()
            if any(descriptor == self._agent for descriptor, _ in events):
                end_hard("the agent is gone")
            piece = os.read(self._descriptor, _READ_BYTES)
            if not piece:
                return b""
            pieces.append(piece)
        last, line_feed, self._rest = pieces[-1].partition(b"\n")
        pieces[-1] = last + line_feed
        self.line = b"".join(pieces)
        return self.line


class Agent:
    """The child's end of the socket to the agent."""

    def __init__(self, path: str, daemon: int) -> None:
        self._link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._link.connect(path)
        self._poll = select.poll()
        self._poll.register(self._link, select.POLLIN)
        self._poll.register(daemon, 0)  # an end is always reported, data not: the daemon has nothing to say now
        self._daemon = daemon

    def fileno(self) -> int:
        return self._link.fileno()

    def ask(self, kind: bytes, body: bytes, answer: bytes) -> dict[str, Any]:
        """Send a frame and wait for its answer. Ends the process when the agent or the daemon ends meanwhile."""
        send_frame(self._link, kind, body)
        if any(descriptor == self._daemon for descriptor, _ in self._poll.poll()):
            end_hard("the daemon is gone")
        frame = receive_frame(self._link)
        if frame is None:
            end_hard("the agent is gone")
        if frame[0] != answer:
            end_hard(f"the agent answered {frame[0]!r} where {answer!r} belongs")
        content: dict[str, Any] = json.loads(frame[1])
        return content

    def say_end(self, reason: str) -> None:
        send_frame(self._link, END, reason.encode())


def _guarded(method: Callable[..., None]) -> Callable[..., None]:
    """amazon_kclpy would swallow the exception and tell the daemon that all went well."""

    def call(*arguments: Any) -> None:
        try:
            method(*arguments)
        except Exception:  # noqa: BLE001  the edge of the process: every fault must end it
            traceback.print_exc(file=sys.stderr)
            end_hard(f"{method.__name__} failed")

    return call


class ShardCarrier:
    """amazon_kclpy's record processor (version 3 of its interface) for one shard.

    `exported` is the last (sequence number, sub-sequence number) the agent answered, `checkpointed` the last one
    that KCL stored. Not a subclass of amazon_kclpy's: it only declares the methods, and importing it is the
    daemon side's affair.
    """

    version = 3

    def __init__(self, wire: Wire, socket_path: str) -> None:
        self._wire = wire
        self._socket_path = socket_path
        self._agent: Agent
        self._checkpoint_seconds = 10.0
        self._checkpointed_at = 0.0
        self._exported: tuple[str, int] | None = None
        self._checkpointed: tuple[str, int] | None = None
        self._is_stopping = False
        self._has_lease = True

    @_guarded
    def initialize(self, start: Any) -> None:
        self._agent = Agent(self._socket_path, sys.stdin.fileno())
        self._wire.watch(self._agent.fileno())
        hello = {
            "shard": start.shard_id,
            "sequence": start.sequence_number,
            "sub": start.sub_sequence_number,
            "pid": os.getpid(),
            "daemon": os.getppid(),
        }
        welcome = self._agent.ask(HELLO, json.dumps(hello).encode(), WELCOME)
        self._checkpoint_seconds = welcome["checkpoint_seconds"]
        self._checkpointed_at = time.monotonic()

    @_guarded
    def process_records(self, call: Any) -> None:
        if self._is_stopping or not self._has_lease:
            return  # nothing is handed over any more, so nothing of it is ever checkpointed
        line, is_empty = self._wire.line, not call.records
        answer = self._agent.ask(RECORDS, line, ANSWER)
        if answer["sequence"] is not None:
            self._exported = (answer["sequence"], answer["sub"])
        self._is_stopping = not answer["complete"]
        since = time.monotonic() - self._checkpointed_at
        if self._is_stopping or since >= (QUIET_CHECKPOINT_SECONDS if is_empty else self._checkpoint_seconds):
            self._checkpoint(call.checkpointer, tries=1)

    @_guarded
    def shutdown_requested(self, call: Any) -> None:
        self._checkpoint(call.checkpointer, tries=CHECKPOINT_TRIES)
        self._say_end("shutdown requested")

    @_guarded
    def shard_ended(self, call: Any) -> None:
        if self._is_stopping:
            end_hard("the shard has ended and is not exported to its end")
        if not self._try_checkpoint(call.checkpointer, None, CHECKPOINT_TRIES):
            end_hard("the end of the shard could not be checkpointed")
        self._say_end("shard ended")

    @_guarded
    def lease_lost(self, _: Any) -> None:
        self._say_end("lease lost")

    def _say_end(self, reason: str) -> None:
        self._wire.unwatch()
        self._agent.say_end(reason)

    def _checkpoint(self, checkpointer: Any, tries: int) -> None:
        """Store what is exported, when that is more than what is stored."""
        if self._has_lease and self._exported is not None and self._exported != self._checkpointed:
            exported = self._exported
            if self._try_checkpoint(checkpointer, exported, tries):
                self._checkpointed = exported
            self._checkpointed_at = time.monotonic()

    def _try_checkpoint(self, checkpointer: Any, position: tuple[str, int] | None, tries: int) -> bool:
        """True when stored (None = the end of the shard). False when it may work later or the lease is lost."""
        from amazon_kclpy.checkpoint_error import CheckpointError

        for attempt in range(tries):
            try:
                checkpointer.checkpoint(*(position or ()))
            except CheckpointError as error:
                if error.value == _LEASE_LOST:
                    self._has_lease = False
                    return position is None  # a lost lease of an ended shard is the next worker's to finish
                if error.value not in _PASSING:
                    end_hard(f"checkpoint failed: {error.value}")
                if attempt + 1 < tries:
                    time.sleep(CHECKPOINT_RETRY_SECONDS)
            else:
                return True
        return False


def _take_stdout() -> TextIO:
    """Move the wire off descriptor 1, which becomes stderr for whoever prints."""
    wire = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return wire


def main(socket_path: str, packages: str) -> None:
    """Serve one shard until stdin ends. `packages`: folder that holds amazon_kclpy (-S keeps site-packages out)."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    output = _take_stdout()
    sys.path.append(packages)
    from amazon_kclpy.kcl import KCLProcess

    wire = Wire(sys.stdin.fileno())
    KCLProcess(ShardCarrier(wire, socket_path), wire, output, sys.stderr).run()


if __name__ == "__main__":
    main(*sys.argv[1:])

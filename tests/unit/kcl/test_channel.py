"""The agent's end of the socket, with hand-made children on real sockets."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from consumer.errors import ProtocolError
from consumer.kcl.channel import Channel, Child, Position
from consumer.kcl.child import ANSWER, END, HELLO, RECORDS, WELCOME, receive_frame, send_frame

WAIT_SECONDS = 60


class Scene:
    """A channel on its thread; `on_child` is what the test gives it."""

    def __init__(self, path: Path) -> None:
        self.channel = Channel(path, checkpoint_seconds=7.0)
        self.on_child: Callable[[Child], object] = lambda child: list(child.batches())
        self.ended: list[Child] = []
        self.has_ended = threading.Event()
        self._thread = threading.Thread(target=self.channel.run, args=(self._serve, self._note))
        self._thread.start()

    def connect(self, shard: str = "shardId-1") -> socket.socket:
        """A child that has said hello and was welcomed."""
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        link.settimeout(WAIT_SECONDS)
        link.connect(str(self.channel.path))
        hello = {"shard": shard, "sequence": "5", "sub": 0, "pid": 10, "daemon": 9}
        send_frame(link, HELLO, json.dumps(hello).encode())
        frame = receive_frame(link)
        assert frame is not None
        assert (frame[0], json.loads(frame[1])) == (WELCOME, {"checkpoint_seconds": 7.0})
        return link

    def close(self) -> None:
        self.channel.close()
        self._thread.join(WAIT_SECONDS)
        assert not self._thread.is_alive()

    def _serve(self, child: Child) -> None:
        self.on_child(child)

    def _note(self, child: Child) -> None:
        self.ended.append(child)
        self.has_ended.set()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path / "s")
    yield made
    made.close()


def call(*records: tuple[str, int, str]) -> bytes:
    """A processRecords line with (sequence number, sub-sequence number, base64)."""
    entries = [
        {"sequenceNumber": sequence, "subSequenceNumber": sub, "data": data, "approximateArrivalTimestamp": 1_500}
        for sequence, sub, data in records
    ]
    return json.dumps({"action": "processRecords", "records": entries, "millisBehindLatest": 40}).encode() + b"\n"


def test_records_come_decoded_with_position_and_arrival(scene: Scene) -> None:
    seen: list[Any] = []

    def serve(child: Child) -> None:
        for batch in child.batches():
            seen.append((child.shard, child.start, child.pid, child.daemon_pid, batch.behind_ms))
            seen.extend(batch.records())
            child.answer(Position(12, 3), complete=True)

    scene.on_child = serve
    link = scene.connect()
    send_frame(link, RECORDS, call(("12", 0, "b25l"), ("12", 3, "dHdv")))
    frame = receive_frame(link)
    assert frame is not None
    assert (frame[0], json.loads(frame[1])) == (ANSWER, {"sequence": "12", "sub": 3, "complete": True})
    assert seen[0] == ("shardId-1", "5", 10, 9, 40)
    assert [(record.position, record.data, record.arrived_at) for record in seen[1:]] == [
        (Position(12, 0), b"one", 1.5),
        (Position(12, 3), b"two", 1.5),
    ]
    link.close()


def test_a_closed_socket_is_noticed_while_the_childs_thread_is_busy(scene: Scene) -> None:
    busy, go_on = threading.Event(), threading.Event()

    def serve(child: Child) -> None:
        for _ in child.batches():
            busy.set()
            assert go_on.wait(WAIT_SECONDS)

    scene.on_child = serve
    link = scene.connect()
    send_frame(link, RECORDS, call())
    assert busy.wait(WAIT_SECONDS)
    link.close()
    assert scene.has_ended.wait(WAIT_SECONDS)
    assert scene.ended[0].is_closed.is_set()
    assert scene.ended[0].ended is None, "it gave no reason, so it died"
    go_on.set()


def test_a_child_that_says_why_it_ends_did_not_die(scene: Scene) -> None:
    served = threading.Event()

    def serve(child: Child) -> None:
        for _ in child.batches():
            raise AssertionError("no records were sent")
        served.set()

    scene.on_child = serve
    link = scene.connect()
    send_frame(link, END, b"lease lost")
    link.close()
    assert scene.has_ended.wait(WAIT_SECONDS)
    assert served.wait(WAIT_SECONDS)
    assert scene.ended[0].ended == "lease lost"


def test_a_reason_that_its_thread_has_not_read_yet_counts(scene: Scene) -> None:
    go_on = threading.Event()

    def serve(child: Child) -> None:
        assert go_on.wait(WAIT_SECONDS)
        assert list(child.batches()) == []

    scene.on_child = serve
    link = scene.connect()
    send_frame(link, END, b"shard ended")
    link.close()
    threading.Timer(0.2, go_on.set).start()
    assert scene.has_ended.wait(WAIT_SECONDS)
    assert scene.ended[0].ended == "shard ended"


def test_closing_the_channel_ends_the_children_that_are_still_there(scene: Scene, tmp_path: Path) -> None:
    other = Scene(tmp_path / "t")
    link = other.connect()
    other.close()
    assert receive_frame(link) is None


def test_a_stranger_is_sent_away_and_the_next_child_is_welcome(scene: Scene) -> None:
    stranger = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stranger.settimeout(WAIT_SECONDS)
    stranger.connect(str(scene.channel.path))
    send_frame(stranger, RECORDS, b"{}")
    assert stranger.recv(1) == b""
    scene.connect().close()


def test_a_frame_cut_by_the_childs_death_is_no_batch(scene: Scene) -> None:
    link = scene.connect()
    link.sendall(RECORDS + (100).to_bytes(4, "big") + b"only a part")
    link.close()
    assert scene.has_ended.wait(WAIT_SECONDS)


def test_answering_a_child_that_is_gone_is_no_fault(scene: Scene) -> None:
    finished = threading.Event()

    def serve(child: Child) -> None:
        for _ in child.batches():
            assert child.is_closed.wait(WAIT_SECONDS)
            child.answer(None, complete=True)
        finished.set()

    scene.on_child = serve
    link = scene.connect()
    send_frame(link, RECORDS, call())
    link.close()
    assert finished.wait(WAIT_SECONDS)


def test_a_socket_path_the_kernel_would_cut_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match="107 bytes"):
        Channel(tmp_path / ("x" * 108), 1.0)


def test_positions_compare_as_numbers_and_not_as_text() -> None:
    assert Position(9, 0) < Position(10, 0) < Position(10, 1)

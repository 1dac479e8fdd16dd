"""Receiving on a real socket of this machine."""

from __future__ import annotations

import socket

import pytest

from consumer.collect import listen as listen_module
from consumer.collect.listen import Listener
from consumer.errors import ConfigurationError
from consumer.export.settings import Destination


def send(port: int, *datagrams: bytes, host: str = "127.0.0.1") -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for datagram in datagrams:
            sender.sendto(datagram, (host, port))


def take(listener: Listener, count: int) -> list[bytes]:
    taken: list[bytes] = []
    while len(taken) < count:
        some = listener.take(60.0)
        assert some, f"{len(taken)} of {count} datagrams came"
        taken += [data for data, _ in some]
    return taken


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_datagrams_come_in_order_with_their_sender(host: str) -> None:
    with Listener(Destination(host, 0)) as listener:
        send(listener.port, b"one", b"two", host=host)
        assert take(listener, 2) == [b"one", b"two"]
        send(listener.port, b"three", host=host)
        [(_, (sender, port))] = listener.take(60.0)
        assert (sender, port > 0) == (host, True)
        assert listener.received == 3


def test_nothing_comes_is_an_empty_answer() -> None:
    with Listener(Destination("127.0.0.1", 0)) as listener:
        assert listener.take(0.0) == []
        assert listener.kernel_dropped == 0


def test_what_nobody_takes_is_dropped_beyond_a_bound_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen_module, "WAITING_BYTES", 25)
    with Listener(Destination("127.0.0.1", 0)) as listener:
        send(listener.port, *[bytes(10)] * 5)
        while listener.received < 5:
            pass
        assert len(take(listener, 2)) == 2
        assert listener.unread == 3


def test_what_the_kernel_drops_is_counted() -> None:
    """A listener that is not running yet reads nothing, so the kernel's buffer fills."""
    with Listener(Destination("127.0.0.1", 0)) as listener:
        opened = listener._socket
        assert opened is not None
        listener._closing.set()
        assert listener._thread is not None
        listener._thread.join()
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        send(listener.port, *[bytes(1000)] * 100)
        assert 50 < listener.kernel_dropped < 100


def test_a_port_that_is_taken_is_refused_with_the_mend() -> None:
    with Listener(Destination("127.0.0.1", 0)) as listener, pytest.raises(ConfigurationError, match="free port"):
        Listener(Destination("127.0.0.1", listener.port)).__enter__()

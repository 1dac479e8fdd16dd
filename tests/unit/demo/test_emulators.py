"""Ports for servers that are yet to be started."""

from __future__ import annotations

import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from consumer.demo.emulators import free_ports


def test_a_port_is_kept_from_everybody_until_its_server_listens() -> None:
    one, other = free_ports(2)
    assert one != other
    with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
        stranger.bind(("127.0.0.1", one))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", one), timeout=10)

    server = ThreadingHTTPServer(("127.0.0.1", one), BaseHTTPRequestHandler)
    socket.create_connection(("127.0.0.1", one), timeout=10).close()
    server.server_close()

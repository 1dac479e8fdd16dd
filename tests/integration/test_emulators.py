"""The emulated AWS itself: on loopback only, trusted by its own certificate only, gone when its starter is."""

from __future__ import annotations

import json
import os
import select
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest

from consumer.demo.emulators import EmulatedAws

WAIT_SECONDS = 90

_START = """
import json, sys
from pathlib import Path
from consumer.demo.emulators import EmulatedAws
aws = EmulatedAws(Path(sys.argv[1]))
aws.start()
print(json.dumps([process.pid for process in aws._processes]), flush=True)
sys.stdin.read()
"""


def listening_addresses(pid: int) -> set[str]:
    """Local addresses (hexadecimal, proc(5) /proc/net/tcp) on which a process listens."""
    inodes = set()
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # a connection that is being closed
            inodes.add(str(each.readlink()))
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            columns = line.split()
            if columns[3] == "0A" and f"socket:[{columns[9]}]" in inodes:
                found.add(columns[1].partition(":")[0])
    return found


def test_nothing_listens_outside_of_loopback(aws: EmulatedAws) -> None:
    for process in aws._processes:
        assert listening_addresses(process.pid) == {"0100007F"}, process.args


def test_only_its_own_certificate_is_trusted(aws: EmulatedAws) -> None:
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        urllib.request.urlopen(aws.kinesis_endpoint, context=ssl.create_default_context(), timeout=10)
    strict = ssl.create_default_context(cafile=str(aws.ca_bundle))
    strict.verify_flags |= ssl.VERIFY_X509_STRICT  # as Python 3.13 and later do by themselves
    strict.set_alpn_protocols(["http/1.1"])  # as boto3 does; a client that offers nothing is taken for the KCL's
    with pytest.raises(urllib.error.HTTPError):  # it answers, if only to say that this is no request of Kinesis
        urllib.request.urlopen(aws.kinesis_endpoint, context=strict, timeout=10)


def test_both_servers_die_with_the_process_that_started_them(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _START, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as starter:
        assert starter.stdout is not None
        descriptors = [os.pidfd_open(pid) for pid in json.loads(starter.stdout.readline())]
        starter.kill()
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    ended: set[int] = set()
    while len(ended) < len(descriptors):
        events = [descriptor for descriptor, _ in poll.poll(WAIT_SECONDS * 1000)]
        assert events, "a server outlived its starter"
        for descriptor in events:
            poll.unregister(descriptor)
            os.close(descriptor)
            ended.add(descriptor)

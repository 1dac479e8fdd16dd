"""The kernels are Python, too: without the compiler they write the same bytes."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

from consumer.decode.fields import TRANSIT_GATEWAY_FORMAT
from consumer.encode.encoder import Encoder
from consumer.encode.settings import EncodingSettings
from consumer.encode.template import TemplateNumbers
from tests.unit.encode.building import Row, all_rows, batch_of, joined_of, table_of
from tests.unit.encode.samples import ALL_VPC, FLOW, FLOW_IPV6, V2


def digest() -> str:
    """A hash of the messages of rows that meet every kind of step, cut strings among them."""
    total = hashlib.sha256()
    long: Row = {**FLOW, "account-id": "ü" * 900, "ecs-task-arn": "€" * 300, "vpc-id": None, "unheard-of": "x"}
    rows = [FLOW, FLOW_IPV6, long, {**FLOW, "action": None, "srcport": None, "dstport": None}]
    endpoints = table_of("endpoint", [{"name": "web-1"}, {"name": "n" * 300, "service": "RDS"}])
    joined = joined_of(len(rows), [{"source": 1, "destination": 2, "egress_interface": 3}] * len(rows), None, endpoints)
    for profile, pads in (("core", False), ("iana", True), ("full", False), ("full", True)):
        chosen = {"profile": profile, "message_size": 700, "pads_messages": pads}
        encoder = Encoder(EncodingSettings.model_validate(chosen), TemplateNumbers())
        for fields in (V2, (*ALL_VPC, "unheard-of"), TRANSIT_GATEWAY_FORMAT.fields):
            batch = batch_of(fields, rows)
            messages = encoder.encode(batch, all_rows(batch), joined, 7)
            total.update(messages.buffer.tobytes())
            total.update(f"{messages.starts.tolist()} {messages.record_counts.tolist()}".encode())
            total.update(f"{sorted(messages.templates.items())} {messages.cut_strings}".encode())
    return total.hexdigest()


def test_compiled_and_plain_write_the_same_bytes() -> None:
    code = "from tests.unit.encode.test_without_compiler import digest; print(digest())"
    plain = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", code],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert plain.returncode == 0, plain.stderr
    assert plain.stdout.strip() == digest()

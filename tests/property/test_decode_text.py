"""The kernel against the plain reference: same rows, same reasons, never a byte outside its buffer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from consumer.decode.decoder import Decoder
from consumer.decode.fields import DEFAULT_FORMAT, FIELDS
from consumer.decode.plan import header_format
from consumer.model.log_format import LogFormat
from tests.support import decode_fuzz
from tests.support.reference import read_line

_CHECKOUT = Path(__file__).resolve().parents[2]
_DECODER = Decoder(vocabulary_capacity=1 << 12, arena_bytes=1 << 20)
_LINES = st.lists(
    st.binary(min_size=1, max_size=120)
    .map(lambda line: line.translate(None, b"\n\r"))
    .filter(lambda line: line.strip(b" \t") and not line.startswith(b"\xef\xbb\xbf")),
    min_size=1,
    max_size=5,
)
_EDGE_OF_ADDRESSES = st.text("0123456789abcdefABCDEF:./%", min_size=1, max_size=45).filter(lambda text: text != "-")
_FORMATS = st.lists(st.sampled_from(sorted(FIELDS)), min_size=1, max_size=54, unique=True).map(
    lambda names: LogFormat(tuple(names))
)


@pytest.mark.parametrize("log_format", decode_fuzz.FORMATS, ids=lambda log_format: f"{len(log_format.fields)}-fields")
def test_mutated_records_are_read_as_the_reference_reads_them(log_format: LogFormat) -> None:
    outcomes = decode_fuzz.compare(decode_fuzz.lines(4_000, log_format, seed=1), log_format, _DECODER)

    assert outcomes["row"] > 100, "hardly a line was a record: the fuzz would not see a fault in rows"
    assert outcomes.total() - outcomes["row"] > 100, "hardly a line was refused"


def test_every_reason_occurs_in_the_fuzz() -> None:
    outcomes = decode_fuzz.run(400, seed=2)

    assert set(outcomes) == {
        "row",
        "token_count",
        "bad_number",
        "bad_address",
        "number_out_of_range",
        "invalid_utf8",
        "mixed_address_families",
    }


@given(_LINES)
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_read_as_the_reference_reads_them(lines: list[bytes]) -> None:
    assume(not any(map(header_format, lines)))  # names of fields are a header, which the reference does not know
    decode_fuzz.compare(lines, DEFAULT_FORMAT, _DECODER)
    decode_fuzz.compare(lines, decode_fuzz.NARROW_FORMATS[2], _DECODER)


@given(st.lists(_EDGE_OF_ADDRESSES, min_size=1, max_size=20))
@settings(max_examples=500, deadline=None)
def test_anything_like_an_address_is_read_as_the_standard_library_reads_it(texts: list[str]) -> None:
    decode_fuzz.compare([text.encode() for text in texts], LogFormat(("srcaddr",)), _DECODER)


@given(st.lists(st.ip_addresses(), min_size=1, max_size=50))
@settings(max_examples=100, deadline=None)
def test_every_address_is_read_in_every_spelling(addresses: list[object]) -> None:
    spellings = [
        spelling.encode()
        for address in addresses
        for spelling in (str(address), getattr(address, "exploded", str(address)), str(address).upper())
    ]
    outcomes = decode_fuzz.compare(spellings, LogFormat(("dstaddr",)), _DECODER)

    assert outcomes["row"] == len(spellings)


@given(st.lists(st.integers(0, 2**65), min_size=1, max_size=50), st.integers(0, 25))
@settings(max_examples=100, deadline=None)
def test_every_number_is_read_or_out_of_range(numbers: list[int], zeros: int) -> None:
    lines = [b"0" * zeros + str(number).encode() for number in numbers]

    outcomes = decode_fuzz.compare(lines, LogFormat(("bytes",)), _DECODER)

    assert outcomes["row"] == sum(number < 2**63 for number in numbers)


@given(_FORMATS, st.integers(0, 2**32))
@settings(max_examples=100, deadline=None)
def test_fields_are_read_in_any_order(log_format: LogFormat, seed: int) -> None:
    lines = decode_fuzz.lines(20, log_format, seed)
    decode_fuzz.compare([line for line in lines if not line[:1].islower()], log_format, _DECODER)


def test_a_line_is_read_the_same_wherever_it_ends_in_the_buffer() -> None:
    line = b"2 1 eni-0 10.0.0.1 10.0.0.2 1 2 6 1 40 1 2 ACCEPT O"
    for size in range(70):
        outcomes = decode_fuzz.compare([b"x" * (1 + size), line + b"K" * size], DEFAULT_FORMAT, _DECODER)
        assert outcomes == {"token_count": 1, "row": 1}


@pytest.mark.timeout(900)  # it compiles every kernel of decoding anew: 20 s of CPU
def test_no_byte_outside_a_buffer_is_read_or_written(tmp_path: Path) -> None:
    """numba checks every index; its own cache, for the key of a cached kernel does not tell that it has checks."""
    environment = {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)}

    _run(environment, "-m", "tests.support.decode_fuzz", "1500", "7")
    unpadded = _run(environment, "-c", _READ_WITHOUT_MARGIN, is_fault=True)

    assert "IndexError" in unpadded, "the checks were not on"


def test_the_kernel_is_the_same_without_the_compiler() -> None:
    _run({"NUMBA_DISABLE_JIT": "1"}, "-W", "ignore", "-m", "tests.support.decode_fuzz", "60", "8")


def test_the_reference_itself_knows_right_from_wrong() -> None:
    assert read_line(b"10.0.0.1", LogFormat(("srcaddr",))) == {"srcaddr": (4, 0x0A000001)}
    assert read_line(b"10.0.0.01", LogFormat(("srcaddr",))) == "bad_address"
    assert read_line(b"65536", LogFormat(("srcport",))) == "number_out_of_range"


_READ_WITHOUT_MARGIN = """
import numpy as np
from consumer.decode.fields import DEFAULT_FORMAT
from consumer.decode.parser import Parser
from consumer.decode.plan import plan_of
text = np.frombuffer(bytearray(b"2 1 eni-0 10.0.0.1"), dtype=np.uint8)
Parser().parse(text, np.array([0], np.int32), np.array([18], np.int32), 0, 1, plan_of(DEFAULT_FORMAT))
"""


def _run(environment: dict[str, str], *arguments: str, is_fault: bool = False) -> str:
    """Run Python in the checkout; its standard error."""
    ended = subprocess.run(
        [sys.executable, *arguments],
        cwd=_CHECKOUT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert (ended.returncode != 0) == is_fault, ended.stderr
    return ended.stderr

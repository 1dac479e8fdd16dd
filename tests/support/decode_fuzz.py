"""Mutated flow log records, read by the kernel and by the reference: they must agree on every line.

Run by the tests in this process and, as `python -m tests.support.decode_fuzz LINES SEED`, in others: with numba's
bounds checks on, and without the compiler.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from random import Random

from consumer.decode.decoder import Decoder
from consumer.decode.fields import FIELDS, TRANSIT_GATEWAY_FORMAT, Family, field_named
from consumer.model.delivery import Origin, SourceKind, TextState
from consumer.model.flow_batch import Kind
from consumer.model.log_format import LogFormat
from tests.support.reference import read_line, rows_of

VPC_FORMAT = LogFormat(tuple(name for name, field in FIELDS.items() if field.family is not Family.TRANSIT_GATEWAY))
"""All 54 fields."""
BACKWARDS_FORMAT = LogFormat((*reversed(VPC_FORMAT.fields), "a-future-field"))
NARROW_FORMATS = tuple(LogFormat((name,)) for name in ("bytes", "srcaddr", "account-id", "instance-tag", "version"))
FORMATS = (VPC_FORMAT, BACKWARDS_FORMAT, TRANSIT_GATEWAY_FORMAT, *NARROW_FORMATS)

_NUMBERS = (
    b"0 1 255 256 65535 65536 4294967295 4294967296 00000000000000000000007 9223372036854775807 9223372036854775808"
    b" 18446744073709551615 18446744073709551616 99999999 999999999 1234567890123456 12345678901234567 -1 +1 1.5 0x1"
).split()
_ADDRESSES = (
    b"10.0.0.1 255.255.255.255 0.0.0.0 256.1.1.1 1.2.3 1.2.3.4.5 01.2.3.4 1.2.3.04 1..2.3 .1.2.3 1.2.3. 1.2.3.1000"
    b" .01.2.3 1/2.3.4 :: ::1 1:: ::: 2001:db8::1 2001:db8:0:1:2:3:4:5 1:2:3:4:5:6:7:: ::2:3:4:5:6:7:8"
    b" 1:2:3:4:5:6:7:8:9 1:2:3:4:5:6:7::8 12345:: ::ffff:1.2.3.4 1:2:3:4:5:6:1.2.3.4 ::1.2.3.256 1.2.3.4:: fe80::1%eth0"
    b" g::1 1: :1 ::1: 1::2::3 FE80::AbCd ::1.2.3 64:ff9b::1.2.3.4"
).split()
_STRINGS = (
    b"OK ACCEPT 12345678 123456789 eni-0123456789abcdef0 unknown caf\xc3\xa9 \xff \xc3 \xed\xa0\x80 \xf0\x9f\x8c\x8d"
    b" \xc0\xaf \xf4\x90\x80\x80 \x00 a\x00 a\x00\x00 -- - tab\there"
).split(b" ")
_LONG_STRINGS = (b"x" * 254, b"x" * 255, b"x" * 300)
_TAGS = b"% %4 %zz %ff %00 my%2Dapp a%20b %2D %C3%A9 100%25 %41%42%43 plain".split()
_INTERESTING = b' -.:%0123456789abcfFg\t\r"\\\x00\x7f\x80\xff'


def token(random: Random, name: str) -> bytes:
    """A value of the field: mostly right, often at an edge, sometimes of another kind."""
    field = field_named(name)
    if random.random() < 0.08:
        return b"-"
    if random.random() < 0.015:
        return random.choice([*_NUMBERS, *_ADDRESSES, *_STRINGS, *_TAGS])
    if field.kind is Kind.UNSIGNED:
        if random.random() < 0.03:
            return random.choice(_NUMBERS)
        return str(
            random.getrandbits(random.randrange(1, field.maximum.bit_length() + 1)) % (field.maximum + 1)
        ).encode()
    if field.kind is Kind.ADDRESS:
        if random.random() < 0.03:
            return random.choice(_ADDRESSES)
        return ".".join(str(random.getrandbits(random.randrange(1, 9))) for _ in range(4)).encode()
    if field.is_percent_encoded and random.random() < 0.5:
        return random.choice(_TAGS[:5] if random.random() < 0.1 else _TAGS[5:])
    if random.random() < 0.02:
        return random.choice([*_STRINGS, *_LONG_STRINGS])
    return b"%x" % random.getrandbits(random.randrange(1, 90))


def mutated(random: Random, line: bytes) -> bytes:
    """The line with some bytes changed, put in, taken out or doubled; a line feed never."""
    changed = bytearray(line)
    for _ in range(random.choice((0, 0, 0, 0, 1, 1, 2, 5))):
        if not changed:
            break
        at = random.randrange(len(changed))
        byte = random.choice(_INTERESTING) if random.random() < 0.8 else random.randrange(256)
        match random.randrange(4):
            case 0:
                changed[at] = byte
            case 1:
                changed.insert(at, byte)
            case 2:
                del changed[at : at + random.choice((1, 1, 1, 20))]
            case _:
                changed[at:at] = changed[at : at + random.randrange(1, 12)]
    return bytes(changed).replace(b"\n", b"")


def lines(count: int, log_format: LogFormat, seed: int) -> list[bytes]:
    """Lines that are lines: not blank, no carriage return at the end, nothing that reads as a header."""
    random = Random(f"{log_format.text()} {seed}")
    made: list[bytes] = []
    while len(made) < count:
        line = mutated(random, b" ".join(token(random, name) for name in log_format.fields)).rstrip(b"\r")
        if line.strip(b" \t\r"):
            made.append(line)
    return made


def compare(found: Sequence[bytes], log_format: LogFormat, decoder: Decoder) -> Counter[str]:
    """Reads the lines both ways, in one piece; AssertionError where they differ. Counts of what they were."""
    seen: dict[int, object] = {}
    outcomes: Counter[str] = Counter()
    expected = [read_line(line, log_format) for line in found]
    rejects: list[tuple[str, bytes]] = []
    for piece in decoder.decode(b"\n".join(found), Origin(SourceKind.FILE), TextState(log_format), lambda _: ()):
        rejects += [(reject.reason, reject.line) for reject in piece.rejects]
        if piece.batch is not None:
            seen.update(zip(piece.batch.line_numbers.tolist(), rows_of(piece.batch), strict=True))
    refused = [(reason, line[:65_535]) for line, reason in zip(found, expected, strict=True) if isinstance(reason, str)]
    assert rejects == refused, next(pair for pair in zip(rejects, refused, strict=False) if pair[0] != pair[1])
    for number, row in enumerate(expected):
        if isinstance(row, str):
            assert number not in seen, (found[number], row, seen[number])
            outcomes[row] += 1
        else:
            assert seen.get(number) == row, (found[number], row, seen.get(number))
            outcomes["row"] += 1
    return outcomes


def run(count: int, seed: int) -> Counter[str]:
    """Every format in turn, with one decoder whose vocabulary is small enough to be renewed now and then."""
    decoder = Decoder(vocabulary_capacity=1 << 12, arena_bytes=1 << 20)
    outcomes: Counter[str] = Counter()
    for log_format in FORMATS:
        outcomes += compare(lines(count, log_format, seed), log_format, decoder)
    return outcomes


if __name__ == "__main__":
    print(dict(run(int(sys.argv[1]), int(sys.argv[2]))))

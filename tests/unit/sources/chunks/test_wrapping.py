"""Lines as other programs wrote them down become lines as AWS writes them; AWS's own are not touched."""

from __future__ import annotations

import pytest

from consumer.model.log_format import LogFormat
from consumer.sources.chunks.cutters import LINE_LIMIT_BYTES
from consumer.sources.chunks.wrapping import unwrapping

HEADER = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
)
LINE = "2 210987654321 eni-0f1e2d3c 10.1.2.3 192.0.2.9 51515 443 6 11 7040 1750000000 1750000060 ACCEPT OK"
OTHER = LINE.replace("10.1.2.3", "10.1.2.4")
SHORT = LogFormat.from_text("srcaddr dstaddr bytes packets")


def unwrapped(*lines: str, log_format: LogFormat | None = None) -> list[str]:
    """The records of a text of these lines."""
    text = "".join(line + "\n" for line in lines).encode()
    unwrap = unwrapping(text, log_format)
    return (unwrap(text) if unwrap else text).decode().splitlines()


@pytest.mark.parametrize(
    "lines",
    [
        [HEADER, LINE],
        [LINE, OTHER],
        ["dstaddr bytes", "10.0.0.1 4"],
        ["", "  ", LINE],
        ["not a flow log at all, but prose"],
        [],
    ],
)
def test_what_aws_writes_to_s3_is_not_touched(lines: list[str]) -> None:
    assert unwrapping("\n".join(lines).encode(), None) is None


def test_the_time_that_an_export_of_cloudwatch_puts_in_front_is_left_out() -> None:
    assert unwrapped(f"2026-03-04T05:06:07.000Z {LINE}", f"2026-03-04T05:06:08.123Z {OTHER}") == [LINE, OTHER]


@pytest.mark.parametrize("time", ["2026-03-04T05:06:07+00:00", "2026-03-04T05:06:07.123000+00:00"])
def test_time_and_stream_that_logs_tail_puts_in_front_are_left_out(time: str) -> None:
    assert unwrapped(f"{time} eni-0f1e2d3c-all {LINE}", f"{time} eni-9-all {OTHER}") == [LINE, OTHER]
    short = "10.0.0.1 10.0.0.2 7 1"
    assert unwrapped(f"{time} eni-9-all {short}", log_format=SHORT) == [short]
    assert unwrapped(f"{time} {short}", log_format=SHORT) == [short]


@pytest.mark.parametrize("quote", ["", '"'])
def test_names_and_values_between_commas_are_a_header_and_records(quote: str) -> None:
    def row(line: str) -> str:
        return ",".join(f"{quote}{cell}{quote}" if cell != "-" else "" for cell in line.split())

    names = HEADER.replace("-", "_")
    without = LINE.replace(" 51515 ", " - ")
    assert unwrapped(row(names), row(LINE), row(without)) == [names, LINE, without]


def test_a_column_of_messages_is_records_and_its_heading_is_none() -> None:
    rows = [f"2026-03-04 05:06:07.000,{LINE}", f'2026-03-04 05:06:07.000,"{OTHER}"']
    assert unwrapped("@timestamp,@message", *rows) == [LINE, OTHER]


def test_the_text_output_of_filter_log_events_is_its_messages() -> None:
    events = [f"EVENTS\t{number}\t1750000061000\teni-0-all\t{LINE}\t1750000000000" for number in range(2)]
    assert unwrapped(*events, "SEARCHEDLOGSTREAMS\teni-0-all\tTrue") == [LINE, LINE]


def test_messages_in_one_line_between_tabs_are_records() -> None:
    assert unwrapped(f"{LINE}\t{OTHER}\ttoo short") == [LINE, OTHER, "too short"]


def test_quotes_tabs_and_blanks_that_are_too_many_are_left_out() -> None:
    assert unwrapped(f'"{LINE}"', f'"{OTHER}"') == [LINE, OTHER]
    assert unwrapped(HEADER.replace(" ", "\t"), LINE.replace(" ", "\t")) == [HEADER, LINE]
    assert unwrapped(f"  {HEADER} ", f"{LINE.replace(' ', '   ')}\t", f"{OTHER} \r") == [HEADER, LINE, OTHER]


def test_a_row_that_is_none_stays_a_line_to_be_counted() -> None:
    assert unwrapped(f"x,{LINE}", "broken", f"y,{OTHER}") == [LINE, "broken", OTHER]
    assert unwrapped(f'"{LINE}"', '"lone', f'"{OTHER}"')[::2] == [LINE, OTHER]


def test_a_line_that_is_too_long_stays_too_long() -> None:
    long = " " * LINE_LIMIT_BYTES + "x"
    assert unwrapped(f" {LINE}", long) == [LINE, long]
    assert unwrapped(f'x,"{LINE}"', long) == [LINE, long]

"""Every reason that a line or a payload can be counted by has words that say what it means."""

from __future__ import annotations

import re
from pathlib import Path

import consumer
from consumer.decode.documents import PAYLOAD_REASONS
from consumer.decode.outcomes import AMBIGUOUS_FORMAT, LINE_REASONS, UNKNOWN_FORMAT
from consumer.decode.parquet import NOT_FLOW_LOGS
from consumer.select.log_status import _REASONS, NO_ADDRESS_FIELDS
from consumer.select.plan import NOT_CHOSEN
from consumer.select.selection import EXPORTED_BY_POLLING, REPEAT
from consumer.sources.chunks.text import BAD_PARQUET, NOT_TEXT
from consumer.telemetry.reasons import DROPPED, MEANINGS, PAYLOADS, QUARANTINED

ROOT = Path(consumer.__file__).parent


def test_every_reason_has_words_and_no_words_are_of_a_reason_that_is_gone() -> None:
    named = {
        reason for file in (ROOT / "decode").glob("*.py") for reason in re.findall(r'Fault\("(\w+)"', file.read_text())
    }
    assert set(QUARANTINED) == {*LINE_REASONS.values(), UNKNOWN_FORMAT, AMBIGUOUS_FORMAT}
    assert set(DROPPED) == {*_REASONS, NO_ADDRESS_FIELDS, NOT_CHOSEN, EXPORTED_BY_POLLING, REPEAT}
    assert set(PAYLOADS) == {*PAYLOAD_REASONS, *named, NOT_FLOW_LOGS, BAD_PARQUET, NOT_TEXT}


def test_no_two_groups_share_a_reason() -> None:
    assert len(MEANINGS) == len(DROPPED) + len(QUARANTINED) + len(PAYLOADS)

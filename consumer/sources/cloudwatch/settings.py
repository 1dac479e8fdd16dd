"""Settings of polling: [polling]."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, Field, field_validator


class PollingSettings(BaseModel, frozen=True, extra="forbid"):
    """[polling]: log groups that no stream leads to us are asked again and again."""

    interval_seconds: float = Field(
        30.0,
        ge=1,
        le=86_400,
        description="Time between two passes over a log group, in seconds; each varies by a tenth, and a pass that "
        "takes longer makes it longer.",
    )
    look_back_seconds: float = Field(
        1200.0,
        ge=60,
        le=86_400,
        description="How far behind its own timestamp an event may arrive without being lost, in seconds. Flow logs "
        "need 960 (600 of aggregation, 300 of delivery, 60 of skew), 420 where every flow log aggregates over 60 s. "
        "It costs one call for each MB (about 4,000 records) of the last look_back_seconds, in every sweep.",
    )
    sweep_seconds: float = Field(
        300.0,
        ge=1,
        le=86_400,
        description="Time between two sweeps over all of look_back_seconds, in seconds, in groups where a sweep takes "
        "more than sweep_page_count pages; in between, only the newest events are asked for.",
    )
    sweep_page_count: int = Field(
        3, ge=1, le=1000, description="A group whose sweep takes no more pages than this is swept at every pass."
    )
    fast_seconds: float = Field(
        120.0,
        ge=1,
        le=3600,
        description="How far before the newest event a pass between two sweeps begins, in seconds.",
    )
    calls_per_second: float = Field(
        4.0,
        gt=0,
        le=100,
        description="Calls a second to one account and region, all its log groups together. AWS refuses more than 5 to "
        "25 (by region, never raised), those of other tools included; more here makes AWS refuse theirs, too.",
    )
    group_calls_per_second: float = Field(
        3.0,
        gt=0,
        le=100,
        description="Calls a second for one log group, at most. What it leaves of calls_per_second is free for the "
        "other groups at once; a group alone catches up with a backlog that much slower.",
    )
    since: str = Field(
        "",
        description="Where log groups begin that were never read before: empty = now, a number of seconds, minutes, "
        "hours or days back (`90s`, `15m`, `6h`, `2d`), or a time (`2026-11-21T08:00:00Z`).",
    )

    @field_validator("since")
    @classmethod
    def _since_is_a_moment(cls, value: str) -> str:
        moment(value, 0.0)
        return value


_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def moment(text: str, now: float) -> float:
    """Unix seconds of what `since` says; `now` when it says nothing. ValueError says how to write it."""
    if not text:
        return now
    try:
        if text[-1] in _UNITS and text[:-1].replace(".", "", 1).isdigit():
            return now - timedelta(**{_UNITS[text[-1]]: float(text[:-1])}).total_seconds()
        said = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text!r} is no moment; write 6h, 2d or 2026-11-21T08:00:00Z") from error
    return (said if said.tzinfo else said.replace(tzinfo=UTC)).timestamp()

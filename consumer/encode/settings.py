"""Settings of encoding: what is sent, how large a message may be, whose numbers our own elements have.

Belongs here: names, units, ranges, defaults. Does not: what a profile holds (mapping.py).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field

DOCUMENTATION_ENTERPRISE_NUMBER = 32_473
"""RFC 5612: for examples. Good for a trial; register your own before you keep data."""

REVERSE_ENTERPRISE_NUMBER = 29_305
"""RFC 5103 "reverse": nfdump adds such counters to the forward ones."""

Profile = Literal["core", "iana", "full"]


def _not_reverse(number: int) -> int:
    if number == REVERSE_ENTERPRISE_NUMBER:
        raise ValueError("29305 means reverse direction (RFC 5103); use your own enterprise number")
    return number


class EncodingSettings(BaseModel, frozen=True, extra="forbid"):
    """How records are encoded for one collector. Hashable: collectors with equal settings share one encoding."""

    profile: Profile = Field(
        "full",
        description="core = fixed-length IANA elements only, for any collector; iana = also the interface's id and "
        "instance name as IANA strings; full = every field and name, our own elements included.",
    )
    message_size: int = Field(
        1400,
        ge=512,
        le=8900,
        description="Largest IPFIX message in bytes, without IP and UDP headers; a profile's largest record layout "
        "must fit.",
    )
    private_enterprise_number: Annotated[int, AfterValidator(_not_reverse)] = Field(
        DOCUMENTATION_ENTERPRISE_NUMBER,
        ge=1,
        le=0xFFFF_FFFF,
        description="Enterprise number of our own information elements; the default is for documentation and trials.",
    )
    include_identifiers: bool = Field(
        False,
        description="Full profile only: also send the ids, accounts, regions and zones the inventory knows of the "
        "recording interface and both endpoints; about 200 bytes more a record.",
    )
    pads_messages: bool = Field(
        False,
        description="Profiles iana and full: records end in paddingOctets, which makes all messages of a template but "
        "the last exactly message_size long, as segmentation offload needs them.",
    )

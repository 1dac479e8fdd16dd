"""A collector's address, read; and its settings, refused with the mend in the words."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from consumer.export.settings import CollectorSettings, Destination, parse_destination


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:4739", "127.0.0.1", 4739),
        ("collector.example:2055", "collector.example", 2055),
        ("localhost:1", "localhost", 1),
        ("nf_capd-1:65535", "nf_capd-1", 65535),
        ("[2001:db8::1]:4739", "2001:db8::1", 4739),
        ("[fe80::1%eth0]:4739", "fe80::1%eth0", 4739),
    ],
)
def test_an_address_is_host_and_port(text: str, host: str, port: int) -> None:
    assert parse_destination(text) == Destination(host, port)
    assert str(parse_destination(text)) == text


@pytest.mark.parametrize(
    ("text", "mend"),
    [
        ("", "write collector.example:4739"),
        ("collector.example", "write collector.example:4739"),
        (":4739", "write collector.example:4739"),
        ("2001:db8::1", "write [2001:db8::1]:4739"),
        ("2001:db8::1:4739", "[2001:db8::1]:4739"),
        ("[192.0.2.1]:4739", "write [2001:db8::1]:4739"),
        ("192.0.2.256:4739", "192.0.2.256"),
        ("192.0.2.1:0", "from 1 to 65535"),
        ("192.0.2.1:65536", "from 1 to 65535"),
        ("192.0.2.1:", "from 1 to 65535"),
        ("192.0.2.1:ipfix", "from 1 to 65535"),
        ("two words:4739", "no host name"),
        ("https://collector:4739", "collector"),
    ],
)
def test_a_wrong_address_is_refused_with_the_mend(text: str, mend: str) -> None:
    with pytest.raises(ValueError) as refused:
        parse_destination(text)
    assert mend in str(refused.value)


def test_only_the_address_has_no_default() -> None:
    settings = CollectorSettings(address="127.0.0.1:4739")
    assert (settings.rate, settings.message_size, settings.required, settings.on_refused) == (
        20_000,
        1400,
        True,
        "hold",
    )
    assert settings.destination == Destination("127.0.0.1", 4739)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("message_size", 511),
        ("message_size", 8901),
        ("rate", -1),
        ("source_address", "eth0"),
        ("source_port", 65_536),
        ("name", "with blank"),
        ("dscp", 64),
        ("on_refused", "drop"),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(key: str, value: object) -> None:
    with pytest.raises(ValidationError) as refused:
        CollectorSettings.model_validate({"address": "127.0.0.1:4739", key: value})
    assert [error["loc"] for error in refused.value.errors()] == [(key,)]

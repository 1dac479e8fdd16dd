"""Settings of discovery."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from consumer.discovery.settings import DiscoverySettings, LogFormatSettings


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"exporter_pool": "198.18.0.1/15"}, "host bits"),
        ({"exporter_pool": "198.18.0.0/31"}, "two addresses"),
        ({"exporter_pool": "pool"}, "198.18.0.0/15"),
        ({"exporter_addresses": {"shop": "192.0.2.1"}}, "not a VPC id"),
        ({"exporter_addresses": {"vpc-1": "224.0.0.1"}}, "cannot be an exporter"),
        ({"exporter_addresses": {"vpc-1": "::1"}}, "not an IPv4 address"),
        ({"exporter_addresses": {"vpc-1": "192.0.2.1", "vpc-2": "192.0.2.1"}}, "share"),
        ({"format_timeout_seconds": 61}, "60"),
        ({"cron": "every day"}, "five fields"),
        ({"cron": "* * * * * *"}, "five fields"),
        ({"cron": "61 * * * *"}, "bad minute"),
        ({"precedence": ["s3", "s3"]}, "named twice"),
    ],
)
def test_a_wrong_value_is_refused_in_words_that_help(values: dict[str, Any], word: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        DiscoverySettings.model_validate(values)

    assert word in str(refusal.value)


@pytest.mark.parametrize("values", [{"account": "1"}, {"format": "${srcaddr} ${srcaddr}"}, {"log_group": ""}])
def test_a_wrong_log_format_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        LogFormatSettings.model_validate({"log_group": "/flow", "format": "${version}"} | values)

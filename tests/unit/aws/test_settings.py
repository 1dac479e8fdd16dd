"""Settings of the AWS room."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from consumer.aws.settings import AwsSettings


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"session_seconds": 899}, "900"),
        ({"session_seconds": 43_201}, "43200"),
        ({"regions": ["mars"]}, "us-east-1"),
        ({"region": "us_east_1"}, "us-east-1"),
        ({"roles": ["admin"]}, "external-id"),
        ({"attempts": 0}, "1"),
        ({"secret": "x"}, "secret"),
    ],
)
def test_a_wrong_value_is_refused_in_words_that_help(values: dict[str, Any], word: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        AwsSettings.model_validate(values)

    assert word in str(refusal.value)


def test_every_kind_of_region_is_accepted() -> None:
    regions = ("us-east-1", "us-gov-west-1", "cn-northwest-1", "us-iso-east-1", "ap-southeast-5", "eusc-de-east-1")

    assert AwsSettings(regions=regions).regions == regions

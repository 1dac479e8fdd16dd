"""The smallest message a profile can live with."""

from __future__ import annotations

import pytest

from consumer.decode.fields import TRANSIT_GATEWAY_FORMAT
from consumer.encode.encoder import Encoder
from consumer.encode.limits import smallest_message_size
from consumer.encode.settings import EncodingSettings, Profile
from consumer.errors import ConfigurationError
from tests.unit.encode.building import Row, all_rows, batch_of, joined_of
from tests.unit.encode.reading import messages_of
from tests.unit.encode.samples import ALL_VPC, FLOW_IPV6


@pytest.mark.parametrize("profile", ["core", "iana", "full"])
@pytest.mark.parametrize("has_identifiers", [False, True])
@pytest.mark.parametrize("pads", [False, True])
def test_at_the_smallest_size_the_largest_template_and_record_fit(
    profile: Profile, has_identifiers: bool, pads: bool
) -> None:
    chosen = {"profile": profile, "include_identifiers": has_identifiers, "pads_messages": pads}
    smallest = max(smallest_message_size(EncodingSettings.model_validate(chosen)), 512)
    encoder = Encoder(EncodingSettings.model_validate({**chosen, "message_size": smallest}))
    filled: Row = {name: "x" * 70 for name in ALL_VPC if name.startswith(("ecs-", "vpc", "instance"))}
    for fields, row in ((ALL_VPC, {**FLOW_IPV6, **filled}), (TRANSIT_GATEWAY_FORMAT.fields, FLOW_IPV6)):
        batch = batch_of(fields, [row])
        messages = encoder.encode(batch, all_rows(batch), joined_of(1), 1)
        assert all(20 + len(template) <= smallest for template in messages.templates.values())
        assert [message.size <= smallest for message in messages_of(messages)] == [True]


def test_a_message_too_small_for_a_template_is_a_configuration_fault_that_names_the_mend() -> None:
    settings = EncodingSettings(message_size=512)
    smallest = smallest_message_size(settings)
    with pytest.raises(ConfigurationError, match=f"set it to {smallest} or more"):
        Encoder(settings)


def test_a_format_with_more_fields_than_aws_has_is_refused_not_sent_too_large() -> None:
    settings = EncodingSettings(message_size=smallest_message_size(EncodingSettings()))
    batch = batch_of((*ALL_VPC, *(set(TRANSIT_GATEWAY_FORMAT.fields) - set(ALL_VPC))), [FLOW_IPV6])
    with pytest.raises(ConfigurationError, match="cannot be split"):
        Encoder(settings).encode(batch, all_rows(batch), joined_of(1), 1)

"""Template records and the rule of their numbers."""

from __future__ import annotations

import subprocess
import sys

import pytest

from consumer.encode import iana
from consumer.encode.encoder import Encoder
from consumer.encode.enterprise import ENTERPRISE_BY_NUMBER
from consumer.encode.settings import EncodingSettings
from consumer.encode.template import TemplateKey, TemplateNumbers, options_template_record, template_record
from consumer.errors import ProtocolError
from tests.unit.encode.building import all_rows, batch_of, joined_of
from tests.unit.encode.samples import FLOW, FLOW_IPV6, V2


def _ids(fields: tuple[str, ...], settings: EncodingSettings, numbers: TemplateNumbers) -> list[int]:
    batch = batch_of(fields, [FLOW, FLOW_IPV6, {**FLOW, "action": None}])
    return sorted(Encoder(settings, numbers).encode(batch, all_rows(batch), joined_of(3), 1).templates)


def test_a_template_record_is_laid_out_as_in_rfc_7011() -> None:
    record = template_record(583, [iana.SOURCE_IPV4_ADDRESS, ENTERPRISE_BY_NUMBER[1002]], 32473)
    assert record.hex(" ", 2) == "0247 0002 0008 0004 83ea ffff 0000 7ed9"


def test_an_options_template_record_names_its_scope_first() -> None:
    record = options_template_record(256, [iana.SELECTOR_ID], [iana.SAMPLING_PACKET_INTERVAL], 32473)
    assert record.hex(" ", 2) == "0100 0002 0001 012e 0008 0131 0004"


def test_the_id_says_column_set_family_and_groups() -> None:
    assert TemplateKey(family=4, groups=0b000111, has_ecs=False).template_id(2) == 0x0247
    assert TemplateKey(family=6, groups=0, has_ecs=True).template_id(255) == 0xFF80
    assert TemplateKey(family=0, groups=0b111111, has_ecs=False).template_id(3) == 0x033F


def test_the_default_format_has_the_same_ids_in_every_process() -> None:
    """Bits: ports, times, protocol (1, 2, 4), verdict (32); IPv4 64, IPv6 128."""
    assert _ids(V2, EncodingSettings(), TemplateNumbers()) == [0x0247, 0x0267, 0x02A7]


def test_ids_do_not_hang_on_the_hash_seed_of_the_process() -> None:
    code = (
        "from tests.unit.encode.test_template import _ids, V2, EncodingSettings, TemplateNumbers;"
        "print(_ids((*V2, 'vpc-id'), EncodingSettings(), TemplateNumbers()))"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "NUMBA_DISABLE_JIT": "1"},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert printed == {f"{_ids((*V2, 'vpc-id'), EncodingSettings(), TemplateNumbers())}\n"}


def test_formats_that_differ_in_nothing_sent_share_templates() -> None:
    settings, numbers = EncodingSettings(profile="core"), TemplateNumbers()
    assert _ids(V2, settings, numbers) == _ids((*reversed(V2), "vpc-id"), settings, numbers)


def test_formats_that_differ_in_something_sent_do_not() -> None:
    numbers = TemplateNumbers()
    assert not set(_ids(V2, EncodingSettings(), numbers)) & set(_ids((*V2, "vpc-id"), EncodingSettings(), numbers))


def test_two_column_sets_that_want_one_number_get_two() -> None:
    numbers, settings = TemplateNumbers(), EncodingSettings()
    sets = [frozenset({f"column{number}"}) for number in range(240)]
    slots = [numbers.slot(settings, columns, None) for columns in sets]
    assert sorted(slots) == list(range(16, 256))
    assert [numbers.slot(settings, columns, None) for columns in sets] == slots
    with pytest.raises(ProtocolError):
        numbers.slot(settings, frozenset({"one more"}), None)


def test_a_collector_with_other_settings_is_another_session() -> None:
    numbers = TemplateNumbers()
    core, full = (numbers.slot(EncodingSettings(profile=name), frozenset({name}), 2) for name in ("core", "full"))
    assert core == full == 2

"""What the operator's manual names exists: files, settings, metrics, commands, templates' parameters."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from consumer.cli import main
from consumer.config import Settings
from consumer.telemetry.metrics import DECLARED
from tests.support.templates import FILES, Template

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted([*(ROOT / "docs" / "operating").glob("*.md"), ROOT / "cloudformation" / "README.md"])
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


@every_page
def test_every_link_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text())
    missing = [link for link in links if not link.startswith("http") and not (page.parent / link).exists()]
    assert not missing


@every_page
def test_every_setting_that_is_named_exists(page: Path) -> None:
    sections = "|".join(Settings.model_fields)
    for section, key in re.findall(rf"`({sections})\.([a-z_]+)`", page.read_text()):
        model = re.search(rf"\[+{section}\]+`?\n(.*?)(?=\n## |\Z)", settings_page(), flags=re.DOTALL)
        assert model, section
        assert f"| `{key}` |" in model[1], f"{section}.{key}"


@every_page
def test_every_metric_that_is_named_exists(page: Path) -> None:
    names = {f"vpcflow_{name}".removesuffix("_total") for name in metric_names()}
    for name in re.findall(r"`?(vpcflow_[a-z_]+)", page.read_text()):
        assert name.removesuffix("_total") in names, name


@every_page
def test_every_command_that_is_named_exists(page: Path) -> None:
    for words in re.findall(r"(?:`|^|bin/)vpcflow ((?:[a-z]+ ?){1,2})", page.read_text(), flags=re.MULTILINE):
        command: click.Command = main
        for word in words.split():
            if not isinstance(command, click.Group):
                break
            assert word in command.commands, words
            command = command.commands[word]


def test_every_template_is_in_the_readme_of_the_stacks() -> None:
    text = (ROOT / "cloudformation" / "README.md").read_text()
    assert all(f"({file.name})" in text for file in FILES)
    named = set(re.findall(r"\b([A-Z][a-z]+[A-Z][A-Za-z]+\d?)=", text))
    known = {name for file in FILES for name in Template(file).body["Parameters"]}
    assert named <= known | {"RetainStacksOnAccountRemoval", "ParameterKey", "ParameterValue", "OrganizationalUnitIds"}


def settings_page() -> str:
    return (ROOT / "docs" / "settings.md").read_text()


def metric_names() -> set[str]:
    return {metric.name.removeprefix("vpcflow_") for metric in DECLARED}

"""Choosing an engine that works, and what is handed to it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from scripts import image
from scripts.commands import MissingError
from scripts.image import build_arguments, secrets, working_engine


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An otherwise empty PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def program(folder: Path, name: str, code: int) -> None:
    (folder / name).write_text(f"#!/bin/sh\nexit {code}\n")
    (folder / name).chmod(0o755)


def test_a_docker_client_without_a_daemon_is_passed_over(programs: Path) -> None:
    program(programs, "docker", 1)
    program(programs, "buildah", 0)
    assert working_engine().name == "buildah"


def test_docker_goes_before_the_others_where_it_works(programs: Path) -> None:
    for name in ("buildah", "podman", "docker"):
        program(programs, name, 0)
    assert working_engine().name == "docker"


def test_without_an_engine_the_error_says_what_to_install(programs: Path) -> None:
    program(programs, "docker", 1)
    with pytest.raises(MissingError, match="apt install buildah"):
        working_engine()


def test_index_and_certificates_are_handed_on_by_file_and_never_by_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image, "index_settings", dict)
    bundle = tmp_path / "ca.pem"
    bundle.touch()
    url = "https://user:secret@index.example/simple"
    options = secrets(tmp_path, {"PIP_CERT": str(bundle), "PIP_INDEX_URL": url})

    assert options == [
        "--secret", f"id=ca_bundle,src={bundle}",
        "--secret", f"id=index_url,src={tmp_path}/index_url",
    ]  # fmt: skip
    assert (tmp_path / "index_url").read_text() == url
    assert stat.S_IMODE((tmp_path / "index_url").stat().st_mode) == 0o600


def test_nothing_known_is_nothing_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "index_settings", dict)
    assert secrets(tmp_path, {"PIP_CERT": str(tmp_path / "gone.pem")}) == []


def test_the_image_is_labelled_with_version_and_revision() -> None:
    arguments = build_arguments("", {"KCL_MVN_REPO_SEARCH_URL": "https://mirror.example"})
    given = dict(one.split("=", 1) for one in arguments[1::2])
    assert set(arguments[::2]) == {"--build-arg"}
    assert given["KCL_MVN_REPO_SEARCH_URL"] == "https://mirror.example"
    assert given["VERSION"][0].isdigit()
    assert "BASE" not in given

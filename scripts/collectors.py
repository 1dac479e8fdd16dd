"""What `make interop` needs: programs nobody here wrote, which read what we send, build our image, judge our unit.

Most are Debian packages: installed when we are root, else the one command is printed. goflow2 and the netflow inputs of
Telegraf and Filebeat (tests/interop/readers) are built from the Go module proxy into .tools/bin: a minute of CPU each.
Exit 2 when one is missing and cannot be installed.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from scripts.commands import MissingError, Progress, StepError, run

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".tools"
DEBIAN_PACKAGES = {
    "tshark": "tshark",
    "nfcapd": "nfdump",
    "nfdump": "nfdump",
    "nfacctd": "pmacct",
    "ipfixDump": "libfixbuf-tools",
    # Not collectors, but as foreign: what builds the image and judges the unit.
    "buildah": "buildah",
    "debootstrap": "debootstrap",
    "systemd-analyze": "systemd",
}
"""Program → the package that brings it."""
GO_PROGRAMS = {
    "goflow2": "github.com/netsampler/goflow2/v2/cmd/goflow2@v2.2.6",
    "cmd": "github.com/compose-spec/compose-go/v2/cmd@v2.16.2",  # reads compose.yaml as Docker Compose does
}
"""Program → what `go install` makes it of; the name is Go's."""
READERS = {"telegraf-netflow": "telegraf", "filebeat-netflow": "filebeat"}
"""Program → its folder in tests/interop/readers, which names the version of what it is built from."""
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
"""nfacctd lies in /usr/sbin, which an ordinary user's PATH may lack."""


def missing_packages() -> list[str]:
    return sorted(
        {package for program, package in DEBIAN_PACKAGES.items() if not shutil.which(program, path=SEARCH_PATH)}
    )


def install_debian_packages(progress: Progress) -> None:
    packages = missing_packages()
    if not packages:
        return
    command = f"apt-get -o DPkg::Lock::Timeout=600 install --yes --no-install-recommends {' '.join(packages)}"
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise MissingError(f"{', '.join(packages)} not installed: run `sudo {command}`, then `make interop`")
    progress.begin(f"installing {', '.join(packages)}")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update"], progress, quiet)
    run(command.split(), progress, quiet)
    progress.end()


def build_go_programs(progress: Progress) -> None:
    for name, package in GO_PROGRAMS.items():
        if (TOOLS / "bin" / name).exists():
            continue
        _require_go(package)
        progress.begin(f"building {package.partition('@')[0]}")
        run(["go", "install", package], progress, {"GOBIN": str(TOOLS / "bin")})
        progress.end()


def build_readers(progress: Progress) -> None:
    for name, folder in READERS.items():
        program, source = TOOLS / "bin" / name, ROOT / "tests" / "interop" / "readers" / folder
        newest = max(file.stat().st_mtime for file in source.iterdir())
        if program.exists() and program.stat().st_mtime >= newest:
            continue
        _require_go(name)
        progress.begin(f"building {name}")
        run(["go", "build", "-C", source, "-ldflags=-s -w", "-o", program, "."], progress, {"GOFLAGS": "-mod=readonly"})
        progress.end()


def _require_go(name: str) -> None:
    if not shutil.which("go"):
        raise MissingError(f"{name} is built with Go, which is not installed: `sudo apt-get install --yes golang-go`")


def main() -> int:
    TOOLS.mkdir(exist_ok=True)
    progress = Progress(3, TOOLS / "collectors.log")
    progress.log.unlink(missing_ok=True)
    try:
        for progress.number, install in enumerate((install_debian_packages, build_go_programs, build_readers), 1):
            install(progress)
    except MissingError as error:
        print(f"interop cannot go on: {error}", file=sys.stderr)
        return 2
    except StepError as error:
        print(f"\n{error}\n\nthe whole log is {progress.log}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What `make interop` needs: programs nobody here wrote, which read what we send, build our image, judge our unit.

All but goflow2 are Debian packages: installed when we are root, else the one command is printed.
goflow2 is built from the Go module proxy into .tools/bin. Exit 2 when one is missing and cannot be installed.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from scripts.commands import MissingError, Progress, StepError, run

TOOLS = Path(__file__).resolve().parent.parent / ".tools"
DEBIAN_PACKAGES = {
    "tshark": "tshark",
    "nfcapd": "nfdump",
    "nfdump": "nfdump",
    "nfacctd": "pmacct",
    # Not collectors, but as foreign: what builds the image and judges the unit.
    "buildah": "buildah",
    "debootstrap": "debootstrap",
    "systemd-analyze": "systemd",
}
"""Program → the package that brings it."""
GOFLOW2 = "github.com/netsampler/goflow2/v2/cmd/goflow2@v2.2.6"
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


def build_goflow2(progress: Progress) -> None:
    if (TOOLS / "bin" / "goflow2").exists():
        return
    if not shutil.which("go"):
        raise MissingError("goflow2 is built with Go, which is not installed: `sudo apt-get install --yes golang-go`")
    progress.begin("building goflow2")
    run(["go", "install", GOFLOW2], progress, {"GOBIN": str(TOOLS / "bin")})
    progress.end()


def main() -> int:
    TOOLS.mkdir(exist_ok=True)
    progress = Progress(2, TOOLS / "collectors.log")
    progress.log.unlink(missing_ok=True)
    try:
        for progress.number, install in enumerate((install_debian_packages, build_goflow2), 1):
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

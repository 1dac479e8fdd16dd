"""Prints what an image holds, as CycloneDX 1.5 (JSON): Python packages, jars, the JRE and Debian packages.

Read from what is installed, not from what was asked for. Argument: the folder of installed Python packages. Standard
library only; the same image prints the same bytes (no time, no serial number).
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from urllib.parse import quote

Component = dict[str, str]


def component(kind: str, name: str, version: str, purl: str) -> Component:
    return {"type": kind, "name": name, "version": version, "purl": purl, "bom-ref": purl}


def python_packages(site: Path) -> Iterator[Component]:
    for one in distributions(path=[str(site)]):
        name = re.sub(r"[-_.]+", "-", one.metadata["Name"]).lower()  # PEP 503
        yield component("library", name, one.version, f"pkg:pypi/{name}@{quote(one.version)}")


def jars(site: Path) -> Iterator[Component]:
    """By file name, `name-1.2.3.jar`: Maven's, in amazon_kclpy's folder."""
    for file in (site / "amazon_kclpy" / "jars").glob("*.jar"):
        if match := re.fullmatch(r"(.+?)-(\d[\w.+-]*)\.jar", file.name):
            name, version = match.groups()
            yield component("library", name, version, f"pkg:generic/{quote(name)}@{quote(version)}?type=jar")


def java(home: Path) -> Iterator[Component]:
    release = dict(re.findall(r'^(\w+)="(.*)"$', (home / "release").read_text(), flags=re.MULTILINE))
    version = release.get("JAVA_RUNTIME_VERSION") or release["JAVA_VERSION"]
    yield component("application", "openjdk", version, f"pkg:generic/openjdk@{quote(version)}")


def debian_packages() -> Iterator[Component]:
    """Those of the base image; none where there is no dpkg."""
    try:
        asked = ["dpkg-query", "-W", "-f", "${Package} ${Version} ${Architecture}\n"]
        printed = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return
    for line in printed.splitlines():
        name, version, architecture = line.split()
        yield component("library", name, version, f"pkg:deb/debian/{name}@{quote(version)}?arch={architecture}")


def main() -> int:
    site = Path(sys.argv[1])
    found = [*python_packages(site), *jars(site), *java(Path("/opt/java")), *debian_packages()]
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "components": sorted(found, key=lambda one: one["purl"]),
    }
    print(json.dumps(bill, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())

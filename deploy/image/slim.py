"""Takes out of an image what never runs there: the models of AWS services that we do not call.

botocore brings a model for each of some 400 services; the table of operations says which ones we use. The demo needs
no others: its emulator plays what we call. Argument: the folder of installed packages.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from consumer.aws.operations import OPERATIONS

CREDENTIALS = {"sts", "sso", "sso-oidc", "signin"}
"""Services that botocore itself calls to find credentials."""


def unused_models(data: Path) -> list[Path]:
    """Folders of botocore's data, one a service, that nothing of ours needs."""
    used = {operation.service for operation in OPERATIONS} | CREDENTIALS
    return sorted(folder for folder in data.iterdir() if folder.is_dir() and folder.name not in used)


def main() -> int:
    for folder in unused_models(Path(sys.argv[1]) / "botocore" / "data"):
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Whose keys the daemon reads with: a generated AWS profile whose `credential_process` asks us.

So boto3 is the one way to STS: every external id, session length, SSO login and web identity that works for the agent
works for its daemons. (KCL's own property for roles cannot hold an external id with `=`, `|` or `,`, and its sessions
last an hour.) Kinesis is read with the stream's role, the lease tables and metrics stay in the agent's own account.
Where nothing of this is needed the JVM finds the same keys by itself and no process is started.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import orjson

DEFAULT_PROVIDER = "DefaultCredentialsProvider"
_SHARED_FILE = "AWS_SHARED_CREDENTIALS_FILE"
_HOME, _STREAM = "vpcflow-home", "vpcflow-stream"


@dataclass(frozen=True, slots=True)
class DaemonCredentials:
    """Values of KCL's credentials properties, and what must be added to the JVM's environment."""

    kinesis: str = DEFAULT_PROVIDER
    home: str = DEFAULT_PROVIDER
    environment: Mapping[str, str] = field(default_factory=dict)


def prepare_credentials(
    folder: Path, role: str, aws_settings: bytes, environment: Mapping[str, str]
) -> DaemonCredentials:
    """Write the profiles into `folder` (the run folder, mode 0700) when they are needed.

    `role`: `arn[,external-id]`, empty = our own. `aws_settings`: the agent's `[aws]` as JSON, for `vpcflow kcl
    credentials`, which answers the daemon.
    """
    if not role and not _needs_our_help(aws_settings, environment):
        return DaemonCredentials()
    profiles = {_HOME: ""} if not role else {_HOME: "", _STREAM: role}
    shared = folder / "credentials"
    shared.touch(mode=0o600)
    lines = [_profile(folder, name, as_role, aws_settings, environment) for name, as_role in profiles.items()]
    shared.write_text("".join(lines), encoding="utf-8")
    return DaemonCredentials(
        kinesis=f"ProfileCredentialsProvider|{_STREAM if role else _HOME}",
        home=f"ProfileCredentialsProvider|{_HOME}",
        environment={_SHARED_FILE: str(shared)},
    )


def _needs_our_help(aws_settings: bytes, environment: Mapping[str, str]) -> bool:
    """Whether the agent's own keys come from a place the JVM may read otherwise, or not at all (SSO)."""
    if orjson.loads(aws_settings).get("credentials_file"):
        return True
    if environment.get("AWS_ACCESS_KEY_ID"):
        return False  # the first place every SDK looks
    return bool(environment.get("AWS_PROFILE") or environment.get("AWS_DEFAULT_PROFILE"))


def _profile(folder: Path, name: str, role: str, aws_settings: bytes, environment: Mapping[str, str]) -> str:
    """The profile's text; its request and the script that answers it are written beside it.

    The script is for the quoting, and because the JVM's environment names *our* file where the SDK's own search must
    go on as it does for the agent. The role is in a file: arguments can be read by everybody on the machine.
    """
    request = folder / f"{name}.json"
    request.touch(mode=0o600)
    request.write_bytes(orjson.dumps({"role": role, "aws": orjson.loads(aws_settings)}))
    theirs = environment.get(_SHARED_FILE)
    restore = f"export {_SHARED_FILE}={shlex.quote(theirs)}" if theirs else f"unset {_SHARED_FILE}"
    command = [sys.executable, "-m", "consumer.cli", "kcl", "credentials", str(request)]
    script = folder / f"{name}.sh"
    script.write_text(f"{restore}\nexec {shlex.join(command)}\n", encoding="utf-8")
    return f"[{name}]\ncredential_process = /bin/sh {script}\n"

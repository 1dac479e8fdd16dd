"""Files that name further accounts: a credentials file (each profile an account) and a list of roles.

Belongs here: reading both, and every fault in them at once. Does not: using a profile (sessions.py), the spelling of
a role (roles.py). Format of a credentials file: AWS CLI user guide, "Configuration and credential file settings".
"""

from __future__ import annotations

import configparser
from dataclasses import dataclass
from pathlib import Path

from consumer.errors import ConfigurationError, Fault


@dataclass(frozen=True, slots=True)
class Profile:
    """One profile of a credentials file. Holds no key: botocore reads the file."""

    file: str
    name: str


def read_profiles(file: Path) -> tuple[Profile, ...]:
    """Every profile, `default` first (it is who we are ourselves), the others as written. ConfigurationError."""
    parser = configparser.RawConfigParser(default_section="")
    try:
        parser.read_string(_text_of(file, "aws.credentials_file"), source=str(file))
    except configparser.Error as error:
        # The parser's own words quote the line, which may hold a key.
        line = next((number for number, _ in getattr(error, "errors", ())), 0)
        line = line or getattr(error, "lineno", 0)
        where = f"{file}, line {line}" if line else str(file)
        raise ConfigurationError(
            [Fault("aws.credentials_file", where, "not a credentials file", "mend it; `aws configure` writes one")]
        ) from None
    names = [name.removeprefix("profile ").strip() for name in parser.sections()]
    if not names:
        fault = Fault(
            "aws.credentials_file", str(file), "there is no profile in it", "add [NAME] with keys or a role_arn"
        )
        raise ConfigurationError([fault])
    return tuple(Profile(str(file), name) for name in sorted(dict.fromkeys(names), key=lambda name: name != "default"))


def read_lines(file: Path) -> dict[int, str]:
    """Lines of a role list that say something, by number: no blank ones, nothing after `#` at the start of a line."""
    lines = enumerate(map(str.strip, _text_of(file, "aws.role_file").splitlines()), start=1)
    return {number: line for number, line in lines if line and not line.startswith("#")}


def exposure(file: Path) -> str:
    """Who else may read a file of secrets, in words with what to do; empty = nobody, or there is no such file."""
    try:
        mode = file.expanduser().stat().st_mode
    except (OSError, RuntimeError):  # RuntimeError: whoever we run as has no home
        return ""
    if not mode & 0o077:
        return ""
    who = "everybody" if mode & 0o007 else "its group"
    return f"{file} holds secrets and may be read by {who} on this machine: chmod 0400 {file}"


def _text_of(file: Path, key: str) -> str:
    try:
        return file.expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError, RuntimeError) as error:
        words = error.strerror if isinstance(error, OSError) else "not UTF-8" if isinstance(error, ValueError) else ""
        raise ConfigurationError([Fault(key, str(file), words or str(error), "name a file you can read")]) from error

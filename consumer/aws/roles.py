"""As whom and where AWS is asked.

Belongs here: roles as users write them, the targets made of them, and what was learned of both. Does not: assuming one
(assumed.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from consumer.aws.profiles import Profile, read_lines
from consumer.errors import ConfigurationError, Fault

_ARN = re.compile(r"arn:(?P<partition>aws[a-z-]*):iam::(?P<account>\d{12}):role/\S+")
_EXTERNAL_ID = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Role:
    """A role to assume, with the external id its trust policy asks for (None = it asks for none)."""

    arn: str
    external_id: str | None = None

    @classmethod
    def from_text(cls, text: str) -> Role:
        """Read `arn[,external-id]`; the id may itself hold `=` and commas. ValueError says what is wrong.

        STS AssumeRole: ExternalId is 2 to 1,224 characters of [\\w+=,.@:/-].
        """
        arn, comma, external_id = text.strip().partition(",")
        if not _ARN.fullmatch(arn):
            raise ValueError(f"{arn!r} is not a role; write arn:aws:iam::123456789012:role/name[,external-id]")
        if comma and not _EXTERNAL_ID.fullmatch(external_id):
            raise ValueError(f"the external id of {arn} must be 2 to 1224 letters, digits or any of +=,.@:/-")
        return cls(arn, external_id or None)

    @property
    def account(self) -> str:
        """The 12-digit account the role lives in."""
        return self.arn.split(":")[4]

    @property
    def partition(self) -> str:
        """`aws`, `aws-cn`, `aws-us-gov`…"""
        return self.arn.split(":")[1]


@dataclass(frozen=True, slots=True)
class RoleList:
    """A file of roles. `faults`: its lines that are none, which cost nobody but themselves."""

    roles: tuple[Role, ...] = ()
    faults: tuple[Fault, ...] = ()


def read_roles(file: Path) -> RoleList:
    """What a list says. ConfigurationError when it cannot be read, or has lines and none of them is a role."""
    roles, faults = [], []
    for number, line in read_lines(file).items():
        try:
            roles.append(Role.from_text(line))
        except ValueError as error:
            faults.append(Fault("aws.role_file", f"{file}, line {number}", str(error), "mend the line"))
    if faults and not roles:
        raise ConfigurationError(faults)
    return RoleList(tuple(roles), tuple(faults))


Access = Role | Profile | None
"""As whom: a role to assume, a profile of the credentials file, or (None) our own credentials."""


@dataclass(frozen=True, slots=True)
class Target:
    """One account in one region: as whom and where."""

    access: Access
    region: str

    def label(self) -> str:
        """`222222222222/us-east-1`, or `own/us-east-1` and `PROFILE/us-east-1`, which nobody has to ask AWS for."""
        match self.access:
            case None:
                name = "own"
            case Role():
                name = self.access.account
            case Profile():
                name = self.access.name
        return f"{name}/{self.region}"


@dataclass(frozen=True, slots=True)
class AccountTarget:
    """One account in several regions. `named`: those the user named, which are read even when they look unused.

    `problem`: why the regions may not be all of them; empty = they are. `may_pass`: asking again may do.
    """

    access: Access
    regions: tuple[str, ...]
    named: frozenset[str] = frozenset()
    problem: str = ""
    may_pass: bool = False

    def targets(self) -> tuple[Target, ...]:
        return tuple(Target(self.access, region) for region in self.regions)


@dataclass(slots=True)
class Learned:
    """What asking AWS taught one process, and another one need not find out again: sessions that had to be shorter
    than wished, warnings that were given, who is who and where. Can be pickled; holds no key."""

    session_seconds: dict[Role, int] = field(default_factory=dict)
    warned: set[str] = field(default_factory=set)
    accounts: dict[Access, str] = field(default_factory=dict)
    account_targets: tuple[AccountTarget, ...] = ()
    role_faults: tuple[Fault, ...] = ()
    """Lines of the role file that were none when the targets were found out."""

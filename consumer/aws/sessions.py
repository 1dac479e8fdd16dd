"""Credentials, roles and clients: everything between us and an answer of AWS.

Belongs here: the default credential chain, profiles, one client per (access, region, service), and the guard that no
operation outside the table leaves the machine. Does not: taking a role (assumed.py), paging (paging.py), what an answer
means (discovery/). Endpoints are botocore's business (AWS_ENDPOINT_URL,
AWS_ENDPOINT_URL_EC2…), so emulators and private endpoints need no setting of ours. Partitions follow from the region;
nothing here writes `arn:aws:`.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import botocore.session
from botocore import xform_name
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from botocore.utils import InstanceMetadataRegionFetcher
from cachetools import LRUCache

from consumer.aws.assumed import AssumedRoles
from consumer.aws.faults import FOREIGN_ERRORS, ForeignError, credentials_fault, translated
from consumer.aws.operations import BY_NAME, DESCRIBE_REGIONS, GET_CALLER_IDENTITY, Operation
from consumer.aws.profiles import Profile, exposure, read_profiles
from consumer.aws.raw_answers import keep_bodies
from consumer.aws.roles import Access, AccountTarget, Learned, Role, RoleList, Target, read_roles
from consumer.aws.settings import AwsSettings
from consumer.errors import ConfigurationError, Fault, ProtocolError, RetryableError, SessionOverError, VpcflowError
from consumer.telemetry.logs import get_logger

_NAMES_RESOURCE = (
    "RoleArn",
    "ConsumerARN",
    "StreamARN",
    "logGroupName",
    "Bucket",
    "QueueUrl",
    "QueueName",
    "TableName",
)
"""Parameters that say which thing a call is about."""
_CLIENT_COUNT = 64
"""Clients kept: an EC2 client holds megabytes of service model, and an estate has hundreds of (account, region)."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A call that was made: what, as whom and where, about which thing (an ARN or a name; empty = about everything)."""

    operation: Operation
    target: Target
    resource: str = ""

    @classmethod
    def of(cls, operation: Operation, target: Target, parameters: Mapping[str, Any]) -> Asked:
        """The call with these parameters."""
        return cls(
            operation, target, next((str(parameters[name]) for name in _NAMES_RESOURCE if name in parameters), "")
        )


@dataclass(frozen=True, slots=True)
class TemporaryKeys:
    """Keys to hand to another process. `expires_at`: ISO 8601, empty = they do not expire. Never printed by repr."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str = field(repr=False)
    expires_at: str


class Sessions:
    """Mutable, shared by all threads. Construction is inert; the first call reads credentials and may block.

    `call_counts`: calls made by IAM action, retries inside botocore not counted. `outcomes`: what came of each
    operation in each place, None = it was answered; an error stays until the call is made again.
    """

    def __init__(self, settings: AwsSettings) -> None:
        self._settings = settings
        self._lock = threading.RLock()
        self._identity_lock = threading.Lock()
        self._session_locks: dict[Access, threading.Lock] = {}
        self._own: botocore.session.Session | None = None
        self._sessions: dict[Access, botocore.session.Session] = {}
        self._clients: LRUCache[tuple[Access, str, str, bool], BaseClient] = LRUCache(_CLIENT_COUNT)
        self.learned = Learned()
        """Replaced whole by what another process learned."""
        self._roles = AssumedRoles(self.call, lambda: self.region, lambda: self.learned, settings.session_seconds)
        self._region = settings.region
        self._log = get_logger("aws")
        self.call_counts: Counter[str] = Counter()
        self.outcomes: dict[Asked, VpcflowError | None] = {}

    @property
    def region(self) -> str:
        """Default region: setting, AWS_REGION, AWS_DEFAULT_REGION, profile, then the instance we run on.

        ConfigurationError when nobody says.
        """
        with self._lock:
            if not self._region:
                with _configuration_faults():
                    configured = os.environ.get("AWS_REGION") or self._own_session().get_config_variable("region")
                self._region = configured or _region_of_instance() or ""
            if not self._region:
                raise ConfigurationError(
                    [
                        Fault(
                            "aws.region",
                            None,
                            "a default region is required outside AWS",
                            'write region = "us-east-1" under [aws] or set AWS_REGION',
                        )
                    ]
                )
            return self._region

    def account_targets(self, *, again: bool = False) -> tuple[AccountTarget, ...]:
        """What the settings ask for: our own account, each profile and each role, in their regions.

        Found out once, or `again` (new profiles, roles and enabled regions); may block. ConfigurationError when a file
        cannot be read.
        """
        if again or not self.learned.account_targets:
            self.learned.role_faults = self._listed().faults
            self.learned.account_targets = tuple(self._account_target(access) for access in self._accesses())
        return self.learned.account_targets

    @property
    def role_faults(self) -> tuple[Fault, ...]:
        """Lines of the role file that name nobody; known since `account_targets`."""
        return self.learned.role_faults

    def account(self, access: Access = None) -> str:
        """The 12-digit account behind `access` (asked once)."""
        if isinstance(access, Role):
            return access.account
        with self._identity_lock:  # threads that need it at once ask once
            accounts = self.learned.accounts
            if access not in accounts:
                home = Target(access, self._home_region(access))
                accounts[access] = str(self.call(GET_CALLER_IDENTITY, home)["Account"])
            return accounts[access]

    def _home_region(self, access: Access) -> str:
        """Where an account is asked who it is and which regions it has: the region its profile names, which may be of
        another partition than ours, else the default region."""
        if isinstance(access, Profile):
            with _configuration_faults(access):
                named = self._session(access).get_scoped_config().get("region")
            if named:
                return str(named)
        return self.region

    def targets_of(self, account: str, region: str) -> list[Target]:
        """As whom an account can be read in a region, first choice first; empty when nobody of ours is that account.

        Who cannot say which account they are is left out. May block.
        """
        found = []
        for one in self.account_targets():
            try:
                if self.account(one.access) == account:
                    found.append(Target(one.access, region))
            except VpcflowError as error:
                self._log.warning("credentials do not say whose they are", place=str(one.access), reason=str(error))
        return found

    def named_accesses(self) -> list[Access]:
        """Everybody the settings and their files name, once each, ourselves first; AWS is not asked.

        ConfigurationError when a file cannot be read.
        """
        _, *profiles = self._profiles()
        return [None, *profiles, *self._named_roles()]

    def _accesses(self) -> list[Access]:
        """Everybody we are to be, once each; of two profiles of one account the first."""
        self._warn_of_exposed_keys()
        own, *profiles = self._profiles()
        found: dict[Access, str] = {None: own.name}
        for profile in profiles:
            if same := self._same_account(profile, found):
                self._warn(f"profile {profile.name} is left out: profile {same} is the same account")
            else:
                found[profile] = profile.name
        return [*found, *self._named_roles()]

    def _profiles(self) -> tuple[Profile, ...]:
        """The first is who we are ourselves."""
        file = self._settings.credentials_file
        return read_profiles(Path(file)) if file else (Profile("", ""),)

    def _named_roles(self) -> list[Role]:
        return list(dict.fromkeys((*map(Role.from_text, self._settings.roles), *self._listed().roles)))

    def _listed(self) -> RoleList:
        return read_roles(Path(self._settings.role_file)) if self._settings.role_file else RoleList()

    def _warn_of_exposed_keys(self) -> None:
        """Files of keys that others can read: ours, the list of roles with its external ids, the SDK's own."""
        shared = os.environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")
        for file in (self._settings.credentials_file or shared, self._settings.role_file):
            if file and file != os.devnull and (words := exposure(Path(file))):
                self._warn(words)

    def _same_account(self, profile: Profile, others: Mapping[Access, str]) -> str:
        """The name of who among `others` has the same account; who cannot say whose they are has nobody's."""
        account = self._account_if_known(profile)
        same = (name for other, name in others.items() if account and self._account_if_known(other) == account)
        return next(same, "")

    def _account_if_known(self, access: Access) -> str:
        try:
            return self.account(access)
        except VpcflowError:
            return ""  # it is a problem of each of its regions, once they are read

    def _account_target(self, access: Access) -> AccountTarget:
        """The regions named in the settings, else the default region and every other one that is enabled."""
        if self._settings.regions:
            named = self._named_regions(access)
            return AccountTarget(access, named, frozenset(named))
        default = self._home_region(access)
        enabled, problem, may_pass = [], "", False
        try:
            found = self.call(DESCRIBE_REGIONS, Target(access, default))["Regions"]
            enabled = [one["RegionName"] for one in found if one.get("OptInStatus") != "not-opted-in"]
        except ConfigurationError:
            raise
        except VpcflowError as error:
            problem, may_pass = f"only the default region is read: {error}", isinstance(error, RetryableError)
        regions = tuple(dict.fromkeys([default, *sorted(enabled)]))
        return AccountTarget(access, regions, frozenset({default}), problem, may_pass)

    def _named_regions(self, access: Access) -> tuple[str, ...]:
        """Those of the settings; of several partitions those of the account's own, for no key opens two."""
        named = tuple(dict.fromkeys(self._settings.regions))
        partitions = {region: self._partition(region) for region in named}
        if len(set(partitions.values())) < 2:
            return named
        home = self._partition(self._home_region(access))
        return tuple(region for region in named if partitions[region] in (home, "*")) or named

    def _warn(self, text: str) -> None:
        if text not in self.learned.warned:
            self.learned.warned.add(text)
            self._log.warning(text)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was said once in the log and is not an error, in order of its text."""
        return tuple(sorted(self.learned.warned))

    def keys(self, access: Access = None) -> TemporaryKeys:
        """Keys of `access` for another process, a JVM's credential_process for one. May block."""
        with _configuration_faults(access):
            held = self._session(access).get_credentials()
            if held is None:
                raise credentials_fault("there are none", access)
            frozen = held.get_frozen_credentials()
        # botocore shows the end of a session nowhere else; static keys have none.
        expires = getattr(held, "_expiry_time", None)
        ends = expires.isoformat() if expires else ""
        return TemporaryKeys(frozen.access_key or "", frozen.secret_key or "", frozen.token or "", ends)

    def call(self, operation: Operation, target: Target, **parameters: Any) -> dict[str, Any]:
        """One API call; blocks, retries included. Raises the errors of consumer.errors only."""
        try:
            return self._call(operation, target, **parameters)
        except SessionOverError:
            return self._call(operation, target, **parameters)  # with new keys: `told` forgot the old ones

    def _call(self, operation: Operation, target: Target, **parameters: Any) -> dict[str, Any]:
        client = self.client(operation.service, target, is_paced=operation.is_paced)
        self.count(operation)
        asked = Asked.of(operation, target, parameters)
        try:
            answer: dict[str, Any] = getattr(client, xform_name(operation.name))(**parameters)
        except FOREIGN_ERRORS as error:
            raise self.told(asked, error) from error
        self.outcomes[asked] = None
        return answer

    def told(self, asked: Asked, error: ForeignError) -> VpcflowError:
        """Keep what came of a call, and hand it back in our words to be raised."""
        ours = translated(error, asked.operation, asked.target, asked.resource, self._partition(asked.target.region))
        self.outcomes[asked] = ours
        if isinstance(ours, SessionOverError):
            self._forget_keys(asked.target.access)
        return ours

    def _partition(self, region: str) -> str:
        try:
            with self._lock:
                return str(self._own_session().get_partition_for_region(region))
        except BotoCoreError:  # a region that botocore does not know
            return "*"

    def _forget_keys(self, access: Access) -> None:
        """The next call asks for keys anew; without this, keys that AWS ended early would be used to their own end."""
        with self._lock:
            for key in [key for key in self._clients if key[0] == access]:
                del self._clients[key]
            self._sessions.pop(access, None)
            if access is None:
                self._own = None

    def count(self, operation: Operation) -> None:
        """Count one call. Thread-safe."""
        with self._lock:
            self.call_counts[operation.action] += 1

    def client(self, service: str, target: Target, *, is_paced: bool = False) -> BaseClient:
        """The client for (access, region, service), made at most once while it is in use.

        Operations that the table does not list raise ProtocolError when called. `is_paced`: see Operation. May block on
        AssumeRole.
        """
        key = (target.access, target.region, service, is_paced)
        with self._lock:
            known = self._clients.get(key)
        if known is not None:
            return known
        session = self._session(target.access)
        with self._lock:  # botocore sessions are not thread-safe while they make a client
            if key not in self._clients:
                self._clients[key] = self._make_client(session, service, target, is_paced)
            return self._clients[key]

    def _make_client(
        self, session: botocore.session.Session, service: str, target: Target, is_paced: bool
    ) -> BaseClient:
        attempts = 1 if is_paced else self._settings.attempts
        config = Config(
            connect_timeout=self._settings.connect_timeout_seconds,
            read_timeout=self._settings.read_timeout_seconds,
            retries={"mode": "standard" if is_paced else "adaptive", "total_max_attempts": attempts},
            user_agent_extra="vpcflow",
        )
        with _configuration_faults(target.access):
            client: BaseClient = session.create_client(service, region_name=target.region, config=config)
        keep_bodies(client, service)
        client.meta.events.register_first("provide-client-params", _refuse_undeclared)
        return client

    def _own_session(self) -> botocore.session.Session:
        with self._lock:
            if self._own is None:
                file = self._settings.credentials_file
                self._own = _profile_session(read_profiles(Path(file))[0]) if file else botocore.session.get_session()
            return self._own

    def _session(self, access: Access) -> botocore.session.Session:
        """The session of `access`; a role is assumed by the first thread that needs it while others of it wait."""
        if access is None:
            return self._own_session()
        with self._lock:
            session_lock = self._session_locks.setdefault(access, threading.Lock())
        with session_lock:
            if access not in self._sessions:
                if isinstance(access, Role):
                    session = botocore.session.get_session()
                    session._credentials = self._roles.credentials(access)  # type: ignore[attr-defined]  # no public setter
                else:
                    session = _profile_session(access)
                session.register_component("data_loader", self._own_session().get_component("data_loader"))
                self._sessions[access] = session
            return self._sessions[access]


def _profile_session(profile: Profile) -> botocore.session.Session:
    """A session that reads this file and this profile only; a profile given by name goes before keys in variables."""
    session = botocore.session.Session(profile=profile.name)
    session.set_config_variable("credentials_file", str(Path(profile.file).expanduser()))
    return session


@contextmanager
def _configuration_faults(access: Access = None) -> Iterator[None]:
    """What botocore says before any call: a profile that is not there, a file it cannot parse."""
    try:
        yield
    except BotoCoreError as error:
        raise credentials_fault(str(error), access) from error


def _refuse_undeclared(model: Any, **_: object) -> None:
    """Event handler of botocore, called before a request is built."""
    if (model.service_model.service_name, model.name) not in BY_NAME:
        raise ProtocolError(f"{model.service_model.service_name}:{model.name} is not in the table of operations")


def _region_of_instance() -> str | None:
    """Region by instance metadata; None outside EC2. Blocks at most a second, not at all when metadata is off."""
    region: str | None = InstanceMetadataRegionFetcher(timeout=1, num_attempts=1).retrieve_region()
    return region

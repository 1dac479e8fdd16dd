"""Rules for every test: a skip is a failure, tests with a JVM run one at a time, nobody's own settings reach a test."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator, Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

_FOREIGN_VARIABLES = ("AWS_", "VPCFLOW_")

# The same examples in every run: a failure is the change's own. `make soak` looks for new ones. No example has a time
# limit (200 ms by default, and a second for making ten of them): a busy machine would fail it.
_ANY_SPEED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same examples", _ANY_SPEED, derandomize=True)
settings.register_profile("new examples", _ANY_SPEED, derandomize=False)
settings.load_profile("same examples")


def pytest_configure(config: pytest.Config) -> None:
    """Forget the settings of whoever runs the tests, before any fixture can see them.

    A shell's background job ignores Ctrl-C, and so would every program that a test starts and interrupts.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in list(os.environ):
        if name.startswith(_FOREIGN_VARIABLES):
            del os.environ[name]
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # each command a test runs would compile its libraries anew: 2 s
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One xdist worker takes all tests with a JVM: two daemons side by side on two cores would measure each other."""
    for item in items:
        if item.get_closest_marker("jvm"):
            item.add_marker(pytest.mark.xdist_group("jvm"))


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes make no name: gzip writes the time into them, and then two workers collect different tests."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture(autouse=True)
def _own_logs() -> Iterator[None]:
    """A command that ran in a test has set up logs for its own stderr, which is gone with it."""
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()


def _fail_instead(report: pytest.TestReport | pytest.CollectReport) -> None:
    """A skipped test proves nothing, and nobody reads the list of skips."""
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"a skip is a failure here: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _fail_instead(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _fail_instead(report)
    return report

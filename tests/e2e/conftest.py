"""Fixtures of the end-to-end tests, and their promise that a skipped test is seen."""
import os
import pathlib
import shutil
import tempfile

import pytest

from harness import postfix as postfix_module
from harness.backend import Backend
from harness.dns import Dns
from harness.guard import Guard


@pytest.fixture
def folder():
    """A folder that the mail system's own accounts can pass through; gone after the test."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="smtpguard-test-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def guard(folder):
    """guard(backend ports or urls, **settings) starts a server; at the end each must end cleanly."""
    guards = []

    def make(*backends, **groups):
        ports = [getattr(b, "port", b) for b in backends]
        guards.append(Guard(folder / f"guard{len(guards)}", ports, **groups))
        return guards[-1]

    yield make
    failures = []
    for one in guards:
        try:
            one.finish()
        except Exception as failure:
            failures.append(failure)
    for failure in failures:
        raise failure


@pytest.fixture
def backend():
    """backend(script) starts a scripted backend."""
    backends = []

    def make(script=None, **options):
        backends.append(Backend(script, **options))
        return backends[-1]

    yield make
    for one in backends:
        one.stop()


@pytest.fixture
def dns():
    """dns(zone) starts a scripted name server (harness/dns.py)."""
    servers = []

    def make(zone=None, **options):
        servers.append(Dns({} if zone is None else zone, **options))
        return servers[-1]

    yield make
    for one in servers:
        one.stop()


def _postfix(**options):
    postfix_module.require()
    path = pathlib.Path(tempfile.mkdtemp(prefix="smtpguard-postfix-"))
    path.chmod(0o711)
    try:
        server = postfix_module.Postfix(path, **options)
        yield server
        server.stop()
    finally:
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def postfix():
    """A real Postfix for all tests of a file; each test looks for its own mails."""
    yield from _postfix()


@pytest.fixture
def own_postfix():
    """A real Postfix that the test may kill."""
    yield from _postfix()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure shows what the servers said."""
    outcome = yield
    report = outcome.get_result()
    make = item.funcargs.get("folder") if hasattr(item, "funcargs") else None
    if report.failed and make and make.exists():
        for path in sorted(make.glob("guard*/stderr.*")) + sorted(make.glob("guard*/journal")):
            report.sections.append((str(path.relative_to(make)), path.read_text(errors="replace")[-3000:]))


def pytest_sessionfinish(session):
    """Where nothing may be skipped (CI), a skip is a failure, unless the kernel itself denies what the test needs."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    ours = [report for report in skipped if "this kernel" not in str(report.longrepr)]
    if os.environ.get("SMTPGUARD_FORBID_SKIPS") and ours:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED

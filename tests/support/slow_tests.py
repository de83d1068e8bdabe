"""A test that takes over five seconds says why it must: `@pytest.mark.slow(reason="...")`.

Those that took longer and do not say so are listed at the end of a run, which does not fail for them: on a busy machine
any test may take long. A mark without a reason does fail.
"""

from __future__ import annotations

from typing import Any

import pytest

#: Seconds, of the test itself and without its fixtures.
SLOW_AFTER = 5.0


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line("markers", "slow(reason): takes over five seconds, and why it must")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a mark that gives no reason."""
    for item in items:
        for mark in item.iter_markers("slow"):
            if not str(mark.kwargs.get("reason", "")).strip():
                raise pytest.UsageError(f'{item.nodeid}: say why it is slow: @pytest.mark.slow(reason="...")')


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """List the slow tests that give no reason, the slowest first."""
    reports = [report for found in terminalreporter.stats.values() for report in found]
    unexplained = {
        report.nodeid: report.duration
        for report in reports
        if getattr(report, "when", None) == "call" and report.duration > SLOW_AFTER and "slow" not in report.keywords
    }
    if unexplained:
        terminalreporter.section(f"over {SLOW_AFTER:.0f} s, and no pytest.mark.slow says why")
        for nodeid, seconds in sorted(unexplained.items(), key=lambda item: -item[1]):
            terminalreporter.write_line(f"{seconds:6.1f} s  {nodeid}")

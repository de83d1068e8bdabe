"""What was seen of a part of this machine, held against what is wrong with it and against a condition."""

from __future__ import annotations

from collections.abc import Mapping

from opsteward.contracts.check import CheckResult, CheckStatus
from opsteward.contracts.thresholds import told
from opsteward.core.conditions import parse_condition
from opsteward.integrations.machine.connector import MachineConnector


def judged(
    via: MachineConnector,
    problems: list[tuple[CheckStatus, str, str]],
    summary: str,
    evidence: Mapping[str, object],
    seconds: float | None = None,
) -> CheckResult:
    """The worst of the problems (status, kind, detail) as a finding; PASS without any."""
    config = via.config
    if config.settings.expect and not parse_condition(config.settings.expect).holds(evidence):
        detail = f"{config.name} is not as expected: {config.settings.expect}"
        problems = [*problems, (CheckStatus.FAIL, f"{config.scheme}_unexpected", detail)]
    if not problems:
        return CheckResult(status=CheckStatus.PASS, summary=summary, evidence=evidence, seconds=seconds)
    status, kind, detail = next((p for p in problems if p[0] is CheckStatus.FAIL), problems[0])
    return told(
        status,
        kind,
        _TITLES[kind.partition("_")[2]],
        detail,
        component=config.name,
        evidence=evidence,
        seconds=seconds,
        cause_rank=1,
    )


_TITLES = {
    "unexpected": "It is not as expected",
    "missing": "It is missing",
    "many": "There are too many of it",
    "hangs": "It hangs",
    "inactive": "The unit is not active",
    "changing": "The unit is on its way",
    "full": "The disk is nearly full",
    "read_only": "The disk can't be written to",
    "failed": "The command failed",
    "warns": "The command warns",
    "slow": "The command is slow",
    "crash_loop": "The unit ends as soon as it is started",
    "files": "Hardly another file can be opened",
    "memory": "It takes more memory than it may",
    "missed": "The job did not run",
    "busy": "The machine has more to do than it can",
    "memory_low": "The machine has hardly any memory left",
    "kill": "The kernel ended a process for lack of memory",
    "skew": "The machine's clock is wrong",
}

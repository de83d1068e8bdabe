"""Repairs that the operator has written: commands of this machine, each an action of its own, run once under limits.

A command gets no input and no shell; what it is to mend stands in its environment. It is begun at most once for one run
of the action: begun and interrupted, it is not begun again, and the systems' own checks say what came of it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from opsteward.contracts.action import Action, ActionContext, AnyAction, Plan, Proof, Risk
from opsteward.core.blocking_calls import in_thread
from opsteward.core.errors import BadReply, ConnectorError
from opsteward.integrations.machine.programs import Ran, run_program

PREFIX = "command."
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}", re.ASCII)
_SECONDS = 55.0
_OUTPUT_LIMIT = 2000
_KEPT_RECORDS = 1000


class RepairParams(BaseModel):
    """What is to be mended, as the finding names it; handed to the command as OPSTEWARD_FINDING and so on."""

    model_config = ConfigDict(extra="forbid")

    finding: str = Field(default="", max_length=100)
    system: str = Field(default="", max_length=200)
    component: str = Field(default="", max_length=500)
    reason: str = Field(default="", max_length=1000)


class RepairResult(BaseModel):
    """How the command ended; without an `exit_code` the output says why it did not end by itself, or never began.
    `interrupted`: it was begun by an earlier attempt whose end nobody saw."""

    exit_code: int | None
    output: str
    seconds: float
    interrupted: bool = False


class RepairCommand(Action[None, RepairParams, RepairResult]):
    """Runs one command of the operator's. Can't be undone by us."""

    risk: ClassVar[Risk] = Risk.MEDIUM
    params_model: ClassVar[type[BaseModel]] = RepairParams
    result_model: ClassVar[type[BaseModel]] = RepairResult
    timeout: ClassVar[float] = _SECONDS + 5.0
    beside_target: ClassVar[bool] = True

    name: ClassVar[str]
    words: ClassVar[tuple[str, ...]]
    records: ClassVar[Path | None]

    async def plan(self, ctx: ActionContext[None], params: RepairParams) -> Plan:
        about = f" for {params.finding} of {params.system}" if params.finding else ""
        steps = [
            f"Run the operator's command {self.name} ({Path(self.words[0]).name}), for at most {_SECONDS:g} s",
            "It is not begun twice; this can't be undone",
        ]
        return Plan(needed=True, summary=f"Run {self.name}{about}", steps=steps, objects=[f"command {self.name}"])

    async def execute(self, ctx: ActionContext[None], params: RepairParams) -> RepairResult:
        record = self.records / f"{ctx.idempotency_key}.json" if self.records is not None else None
        if record is not None and (earlier := await in_thread(_begin, record)) is not None:
            return earlier
        about = {
            "OPSTEWARD_RUN": ctx.idempotency_key,
            "OPSTEWARD_FINDING": params.finding,
            "OPSTEWARD_SYSTEM": params.system,
            "OPSTEWARD_COMPONENT": params.component,
        }
        # Noted also when it does not end by itself: the next attempt would take it for one whose end nobody saw.
        result = RepairResult(exit_code=None, output="it was ended before its time", seconds=0.0)
        try:
            result = _result(await run_program(self.words, _SECONDS, about=about))
        except ConnectorError as failure:
            result = RepairResult(exit_code=None, output=failure.detail, seconds=0.0)
        finally:
            if record is not None:
                record.write_text(result.model_dump_json())
        return result

    async def verify(self, ctx: ActionContext[None], params: RepairParams, result: RepairResult) -> Proof:
        """The command's own word: what it did is proven by the checks of the systems, which follow in a session."""
        evidence = {"exit_code": result.exit_code, "output": result.output, "measured": False}
        if result.interrupted:
            return Proof(ok=True, summary=f"{self.name} was begun, and its end was not seen", evidence=evidence)
        last = result.output.splitlines()[-1][:200] if result.output and result.exit_code != 0 else ""
        ended = f"ended with {result.exit_code}" if result.exit_code is not None else "was not done"
        summary = f"{self.name} {ended}{f': {last}' if last else ''}"
        return Proof(ok=result.exit_code == 0, summary=summary, evidence=evidence)


def repair_command(name: str, words: Sequence[str], records: Path | None) -> AnyAction:
    """The command as an action. Raises ValueError for a name that no order can hold, or a command without words."""
    if not _NAME.fullmatch(name) or not words:
        raise ValueError(f"OPSTEWARD_REPAIR_COMMANDS: {name[:60]!r} needs a name of a-z, 0-9, - and _, and its words")
    given = {
        "slug": f"{PREFIX}{name}",
        "title": f"Run the operator's command {name}",
        "name": name,
        "words": tuple(words),
        "records": records,
        "__doc__": RepairCommand.__doc__,
    }
    kind: type[RepairCommand] = type("RepairCommand", (RepairCommand,), given)
    return kind()


def _begin(record: Path) -> RepairResult | None:
    """Note that it is begun now; or what an earlier attempt has left. Raises BadReply where nothing can be noted."""
    try:
        record.parent.mkdir(mode=0o700, exist_ok=True)
        try:
            os.close(os.open(record, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            written = record.read_text()
            if written:
                return RepairResult.model_validate(json.loads(written))
            return RepairResult(exit_code=None, output="", seconds=0.0, interrupted=True)
    except (OSError, ValueError) as error:
        raise BadReply(f"it can't be noted that the command is begun: {type(error).__name__}") from None
    with suppress(OSError):  # another run may tidy up at the same time; what stays is of no harm
        known = sorted(record.parent.glob("*.json"), key=lambda path: path.stat().st_mtime)
        for old in known[:-_KEPT_RECORDS]:
            old.unlink(missing_ok=True)
    return None


def _result(ran: Ran) -> RepairResult:
    return RepairResult(exit_code=ran.exit_code, output=ran.output[-_OUTPUT_LIMIT:], seconds=round(ran.seconds, 3))

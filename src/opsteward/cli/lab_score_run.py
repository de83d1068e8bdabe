"""The run of `opsteward lab score`: its lab and instance, the progress, the tables."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from opsteward.cli.demo import running
from opsteward.cli.lab_score import INTERVAL, Round, Scorer, as_data, by_kind, chosen, figures, play_all
from opsteward.core.errors import Invalid
from opsteward.lab.faults import FAULTS

_RATE = 10.0  # orders a second
#: One kind must not shade the next: what a system remembers of its last failure is set to nothing.
_SETTINGS = {"OPSTEWARD_RECOVERY_SECONDS": "0", "OPSTEWARD_RECOVERY_PASSES": "1", "OPSTEWARD_FREEZE_SECONDS": "1"}


def run_score(
    *, rounds: int, seed: int, names: Sequence[str], held_out: bool | None, output: Path | None, json_wanted: bool
) -> int:
    """Returns the exit code: 0 when nothing was done on a control and nothing twice."""
    if strange := [name for name in names if name not in FAULTS]:
        raise Invalid.field("fault", f"there is no fault {strange[0]!r}", "see `opsteward lab faults`")
    console = Console(stderr=json_wanted)
    base = Path(tempfile.mkdtemp(prefix="opsteward-score-", dir="/tmp"))
    base.chmod(0o711)
    played = _played_before(output)
    try:
        with running(base, console, whole=True, rate=_RATE, check_interval=INTERVAL, settings=_SETTINGS) as (
            client,
            lab,
        ):
            kinds = chosen(lab, names, held_out=held_out)
            console.print(f"{len(kinds)} kinds, {rounds} round(s), seed {seed}, checks every {INTERVAL:g} s")
            for each in play_all(Scorer(client, lab), kinds, rounds=rounds, seed=seed, played=list(played)):
                played.append(each)
                console.print(_line(len(played), len(kinds) * rounds, each), markup=False, highlight=False)
                if output is not None:
                    output.write_text(json.dumps(as_data(played), indent=2) + "\n")
    finally:
        shutil.rmtree(base, ignore_errors=True)
    if json_wanted:
        print(json.dumps(as_data(played), indent=2))
    else:
        _show(console, played)
    found = figures(played)
    return 0 if not found["actions_on_controls"] and not found["repeated_actions"] else 1


def _played_before(output: Path | None) -> list[Round]:
    """The rounds of an earlier run that wrote the same file. Raises Invalid for a file that is none."""
    if output is None or not output.exists():
        return []
    try:
        return [Round(**each) for each in json.loads(output.read_text())["rounds"]]
    except (ValueError, KeyError, TypeError):
        raise Invalid.field("output", f"{output.name} holds no rounds", "name another file") from None


def _line(done: int, of: int, each: Round) -> str:
    if each.control:
        verdict = "left alone" if not each.harmful else f"ACTED: {', '.join(each.actions)}"
    else:
        marks = [name for name in ("detected", "component", "cause") if getattr(each, name)]
        repaired = f"repaired in {each.seconds:.1f} s" if each.seconds is not None else each.outcome
        verdict = f"{', '.join(marks) or 'NOT detected'}; {repaired}"
        if not each.cause:
            verdict += f" [told: {each.told or 'nothing'}]"
        if (not each.repaired and each.repairable) or each.harmful:
            verdict += f" [did: {', '.join(each.actions) or 'nothing'}]"
    return f"{done:>4}/{of}  {each.kind:<24}{verdict}"


def _show(console: Console, played: Sequence[Round]) -> None:
    rows = [{name: value for name, value in row.items() if name != "area"} for row in by_kind(played)]
    if rows:
        table = Table(*rows[0], box=None, padding=(0, 1, 0, 0))
        for row in rows:
            table.add_row(*(str(value) for value in row.values()))
        console.print(table)
    held = [each for each in played if each.held_out]
    summary = Table("", "all", *(["held out"] if held else []), box=None, padding=(0, 1, 0, 0))
    for name, value in figures(played).items():
        more = [str(figures(held)[name])] if held else []
        summary.add_row(name.replace("_", " "), str(value), *more)
    console.print(summary)

"""`opsteward lab`: a small real shop to break on purpose."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from opsteward.cli.listing import Json

app = typer.Typer(help="A small real shop under a process supervisor, to break on purpose.", no_args_is_help=True)

Home = Annotated[Path, typer.Option(help="The lab's folder; root needs one that all users can pass through.")]
DEFAULT_HOME = Path(os.environ.get("TMPDIR", "/tmp")) / "opsteward-lab"  # noqa: S108 - a place to play, removed at each start


@app.command("start")
def start(
    home: Home = DEFAULT_HOME,
    rate: Annotated[float, typer.Option(help="Orders a second.", min=1, max=100)] = 20.0,
    shop_only: Annotated[bool, typer.Option(help="Without gateway, name server, second application and disk.")] = False,
) -> None:
    """Run the lab here until Ctrl-C."""
    import signal
    import threading

    from opsteward.cli import show
    from opsteward.lab.lab import Lab

    lab = Lab(home, rate=rate, whole=not shop_only)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    lab.start()
    try:
        show.say(f"The shop is open at {lab.facts.shop_url}. Ctrl-C ends it.")
        show.say("Let a running Opsteward look after it:  opsteward lab register")
        show.say("Then break it:                          opsteward lab inject lock_chain")
        ended.wait()
    finally:
        lab.stop()


@app.command("register")
def register(
    home: Home = DEFAULT_HOME,
    check_interval: Annotated[float, typer.Option(help="Seconds between checks.", min=0.5)] = 2.0,
    as_json: Json = False,
) -> None:
    """Register the lab's systems with the running instance, and apply standing orders that let it repair them."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.shop import register_shop
    from opsteward.lab.lab import Lab

    names = register_shop(Client(), Lab(home), check_interval=check_interval)
    words = f"Registered {', '.join(names)}; the lab's standing orders are in force"
    show.done({"registered": names}, words, json_wanted=as_json)


@app.command("inject")
def inject(
    fault: Annotated[str, typer.Argument(help="Such as lock_chain; see `opsteward lab faults`.")],
    home: Home = DEFAULT_HOME,
    as_json: Json = False,
) -> None:
    """Cause a fault; its ground truth goes to a file that only scoring reads."""
    from opsteward.cli import show
    from opsteward.lab.lab import Lab

    injected = Lab(home).inject(fault).as_dict()
    if as_json:
        show.as_json(injected)
    else:
        show.record(injected)


@app.command("clear")
def clear(home: Home = DEFAULT_HOME, as_json: Json = False) -> None:
    """Take all faults back by hand."""
    from opsteward.cli import show
    from opsteward.lab.lab import Lab

    Lab(home).clear()
    show.done({"cleared": True}, "The shop serves again", json_wanted=as_json)


@app.command("faults")
def faults(as_json: Json = False) -> None:
    """What can be broken in the lab, controls among it."""
    from opsteward.cli import show
    from opsteward.lab.faults import FAULTS

    rows = [
        {
            "fault": kind.name,
            "area": kind.area,
            "system": kind.system,
            "cause": kind.cause,
            "repairable": kind.repairable and not kind.is_control,
            "held_out": kind.held_out,
            "description": kind.description,
        }
        for kind in FAULTS.values()
    ]
    if as_json:
        show.as_json({"items": rows})
    else:
        show.table(rows, ["fault", "area", "system", "description"], empty="")


@app.command("score")
def score(
    rounds: Annotated[int, typer.Option(help="Rounds of all kinds.", min=1, max=100)] = 3,
    seed: Annotated[int, typer.Option(help="Decides the order.")] = 1,
    fault: Annotated[list[str] | None, typer.Option(help="Only this kind; may be given several times.")] = None,
    held_out: Annotated[bool | None, typer.Option(help="Only kinds that were held out, or only the others.")] = None,
    output: Annotated[
        Path | None, typer.Option(help="Write everything here, as JSON; what it holds already is not played again.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make every kind of fault in a lab and an instance of their own, and count what was found and mended."""
    from opsteward.cli.lab_score_run import run_score

    raise typer.Exit(
        run_score(rounds=rounds, seed=seed, names=fault or [], held_out=held_out, output=output, json_wanted=as_json)
    )

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
    home: Home = DEFAULT_HOME, rate: Annotated[float, typer.Option(help="Orders a second.", min=1, max=100)] = 20.0
) -> None:
    """Run the lab here until Ctrl-C."""
    import signal
    import threading

    from opsteward.cli import show
    from opsteward.lab.lab import Lab

    lab = Lab(home, rate=rate)
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
    fault: Annotated[str, typer.Argument(help="lock_chain, connection_leak, process_crash, process_hang or none.")],
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

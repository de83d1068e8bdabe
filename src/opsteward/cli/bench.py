"""`opsteward bench load | stress` and `opsteward soak`: measure a running instance from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from opsteward.client.connection import Address

app = typer.Typer(help="Load a running instance and measure what it holds.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="JSON for programs.")]


@app.command("load")
def load(
    users: Annotated[int, typer.Option(min=1, max=20_000, help="Simulated users, each with its connection.")] = 100,
    tasks: Annotated[int, typer.Option(min=0, max=1_000_000, help="Tasks that they submit together.")] = 500,
    ramp: Annotated[float, typer.Option(min=0, help="Seconds over which they arrive.")] = 5.0,
    patience: Annotated[float, typer.Option(min=1, help="Seconds after which an unfinished task is lost.")] = 300.0,
    as_json: Json = False,
) -> None:
    """Many users at once: sign in, read lists, submit tasks, follow each to its end. Fails on errors and lost work."""
    from opsteward.cli.bench_reports import finish
    from opsteward.loadtest.load import run_load

    report = run_load(_address(), users=users, tasks=tasks, ramp=ramp, patience=patience)
    raise typer.Exit(finish("load", report, as_json=as_json))


@app.command("stress")
def stress(
    duration: Annotated[float, typer.Option(min=5, help="Seconds of rising load.")] = 60.0,
    limit: Annotated[float, typer.Option(min=0.001, help="Seconds within which 95 % must be answered.")] = 0.5,
    errors: Annotated[float, typer.Option(min=0, max=1, help="Share of errors that is borne.")] = 0.01,
    patience: Annotated[float, typer.Option(min=1, help="Seconds after which an unfinished task is lost.")] = 120.0,
    as_json: Json = False,
) -> None:
    """Rising load of reads, events and tasks up to the limit; reports the highest rate held. Fails on lost work."""
    from opsteward.cli.bench_reports import finish
    from opsteward.loadtest.stress import run_stress

    report = run_stress(_address(), duration=duration, limit=limit, errors=errors, patience=patience)
    raise typer.Exit(finish("stress", report, as_json=as_json))


def soak(
    duration: Annotated[float, typer.Option(min=1, help="Seconds to go on.")] = 600.0,
    process: Annotated[
        list[str] | None, typer.Option(help="A worker's /metrics address, to watch its memory too. Can be repeated.")
    ] = None,
    minutes: Annotated[
        list[str] | None, typer.Option(help="kind=minutes that a person would take, for the hours saved.")
    ] = None,
    most_growth: Annotated[float, typer.Option(min=0, help="MB that a process's memory may grow.")] = 100.0,
    as_json: Json = False,
) -> None:
    """Do everything in rounds for a set time: events, incidents, tasks, schedule, pause, agents. For an instance of
    its own: it pauses a task type of your tenant. Fails on lost work, errors and growing memory."""
    from opsteward.cli.bench_reports import finish
    from opsteward.loadtest.saved_hours import minutes_of
    from opsteward.loadtest.soak import run_soak

    try:
        assumed = minutes_of(minutes or [])
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--minutes") from None
    report = run_soak(_address(), duration=duration, processes=process or [], minutes=assumed, most_growth=most_growth)
    raise typer.Exit(finish("soak", report, as_json=as_json))


def _address() -> Address:
    """Where the instance is. It is asked once: a wrong address or token is one clear error, not a thousand."""
    from opsteward.cli.client import Client
    from opsteward.client.connection import Address
    from opsteward.client.operations import administration

    Client().send(administration.me())
    return Address.of(None, None)

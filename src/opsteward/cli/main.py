"""The command `opsteward`: parses arguments, calls the rest.

Only typer is imported here; each command imports what it needs when it runs, so that `--help` answers at once.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException

from opsteward.cli import (
    agents,
    approvals,
    audit,
    bench,
    controls,
    crew,
    enrollments,
    freezes,
    heartbeats,
    incidents,
    lab,
    lookups,
    maintenance,
    notifications,
    oncall,
    open_console,
    operators,
    plugins,
    questions,
    schedules,
    silences,
    slack,
    sources,
    standing_orders,
    sync,
    systems,
    tasks,
    users,
)
from opsteward.cli.diagnose import diagnose
from opsteward.cli.troubleshoot import troubleshoot

app = typer.Typer(
    name="opsteward",
    help="An always-on operations agent: it notices, decides under your rules, acts, verifies and explains.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        from opsteward.core.version import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def everywhere(
    url: Annotated[str | None, typer.Option(help="The instance to talk to, instead of the one of this home.")] = None,
    _: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_version)] = False,
) -> None:
    """Options before the command."""
    if url is not None:
        from opsteward.cli import client

        client.given_url = url


app.add_typer(incidents.events, name="events")
app.add_typer(incidents.incidents, name="incidents")
app.add_typer(users.app, name="users")
app.add_typer(enrollments.app, name="enrollments")
app.add_typer(tasks.app, name="tasks")
app.add_typer(schedules.app, name="schedules")
app.add_typer(controls.pause, name="pause")
app.add_typer(controls.resume, name="resume")
app.add_typer(approvals.app, name="approvals")
app.add_typer(sources.app, name="sources")
app.add_typer(freezes.app, name="freezes")
app.add_typer(heartbeats.app, name="heartbeats")
app.add_typer(maintenance.app, name="maintenance")
app.add_typer(oncall.app, name="oncall")
app.add_typer(notifications.app, name="notifications")
app.add_typer(slack.app, name="slack")
app.add_typer(silences.silences, name="silences")
app.add_typer(silences.inhibitions, name="inhibitions")
app.add_typer(standing_orders.app, name="standing-orders")
app.add_typer(systems.app, name="systems")
app.add_typer(lookups.app, name="direct-calls")
app.add_typer(sync.app, name="sync")
app.add_typer(sync.accounts, name="accounts")
app.add_typer(operators.tenants, name="tenants")
app.add_typer(operators.operators, name="operators")
app.add_typer(operators.tokens, name="tokens")
app.add_typer(audit.app, name="audit")
app.add_typer(agents.app, name="agents")
app.add_typer(questions.docs, name="docs")
app.add_typer(crew.app, name="crew")
app.add_typer(crew.models, name="models")
app.add_typer(plugins.app, name="plugins")
app.add_typer(lab.app, name="lab")
app.add_typer(bench.app, name="bench")
app.command()(controls.status)
app.command()(troubleshoot)
app.command()(questions.ask)
app.command()(diagnose)
app.command()(bench.soak)
app.command("open")(open_console.open_console)


@app.command()
def up(
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 picks a free one.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    with_parent: Annotated[
        bool, typer.Option("--with-parent", help="End when standard input ends, as it does with the program behind it.")
    ] = False,
) -> None:
    """Run everything in one process: API, console and worker."""
    from opsteward.cli.start_processes import run_up

    run_up(port=port, host=host, with_parent=with_parent)


@app.command()
def worker() -> None:
    """Run a worker beside others, on any machine that reaches the database."""
    from opsteward.cli.start_processes import run_worker

    run_worker()


@app.command()
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Stay up afterwards, with the console.")] = False,
    home: Annotated[Path | None, typer.Option(help="Folder to work in; a temporary one by default.")] = None,
) -> None:
    """Show the whole loop: break a real shop four times, watch it repaired and proven."""
    from opsteward.cli.demo import run_demo

    raise typer.Exit(run_demo(keep=keep, home=home))


@app.command()
def mcp() -> None:
    """Serve an MCP client on standard input and output, as the operator whose token is used."""
    from opsteward.cli.client import Client
    from opsteward.cli.mcp_server import build_server

    build_server(Client()).run("stdio")


@app.command()
def doctor(as_json: Annotated[bool, typer.Option("--json", help="JSON for programs.")] = False) -> None:
    """Check this installation; each trouble with its remedy."""
    from opsteward.cli.doctor import run_doctor

    raise typer.Exit(run_doctor(as_json=as_json))


@app.command("rotate-credentials-key")
def rotate_credentials_key(as_json: Annotated[bool, typer.Option("--json", help="JSON for programs.")] = False) -> None:
    """Encrypt all stored credentials with a new key, and forget the old one; Opsteward may run meanwhile."""
    import asyncio

    from opsteward.app.key_rotation import rotate_credentials_key
    from opsteward.app.settings import load_settings
    from opsteward.cli import show

    count = asyncio.run(rotate_credentials_key(load_settings()))
    show.done({"encrypted": count}, f"Encrypted {count} secrets with a new key", json_wanted=as_json)


@app.command()
def version(as_json: Annotated[bool, typer.Option("--json", help="JSON for programs.")] = False) -> None:
    """Print the version."""
    from opsteward.cli import show
    from opsteward.core.version import __version__

    show.done({"version": __version__}, __version__, json_wanted=as_json)


def main() -> None:
    """Entry point; an expected failure is one clear line, not a traceback."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # text files, both of them
    if "_OPSTEWARD_COMPLETE" in os.environ:  # a shell asks for words to complete
        app(prog_name="opsteward")
    sys.exit(_run(sys.argv[1:]))


def _run(arguments: list[str]) -> int:
    """The command's exit code, once it has ended."""
    from opsteward.cli import failures

    command = typer.main.get_command(app)
    try:
        with command.make_context("opsteward", arguments) as context:
            command.invoke(context)
        sys.stdout.flush()
    except typer.Exit as end:
        return _flushed(end.exit_code)
    except (KeyboardInterrupt, typer.Abort, EOFError):
        return failures.INTERRUPTED
    except BrokenPipeError:
        return _pipe_closed()
    except TyperException as error:  # what the parser refuses
        return failures.of_command_line(error)
    except Exception as error:
        code = failures.report(error)
        if code is None:
            raise
        return code
    return 0


def _flushed(code: int) -> int:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return _pipe_closed()
    return code


def _pipe_closed() -> int:
    """Who read has enough: nothing is said, now or at the interpreter's own end."""
    from opsteward.cli import failures

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return failures.PIPE_CLOSED

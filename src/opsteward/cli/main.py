"""The command `opsteward`: parses arguments, calls the rest.

Only typer is imported here, and the module of the commands that are asked for; each imports what it needs when it
runs. So `--help` answers at once, and most commands are run in half of the time that putting all together takes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

#: Commands beside those below, and groups of commands: each by its module and the name that it has there.
_COMMANDS = {
    "status": "controls.status",
    "troubleshoot": "troubleshoot.troubleshoot",
    "replay": "troubleshoot.replay",
    "ask": "questions.ask",
    "diagnose": "diagnose.diagnose",
    "soak": "bench.soak",
    "open": "open_console.open_console",
}
_GROUPS = {
    "events": "incidents.events",
    "incidents": "incidents.incidents",
    "users": "users.app",
    "enrollments": "enrollments.app",
    "tasks": "tasks.app",
    "schedules": "schedules.app",
    "pause": "controls.pause",
    "resume": "controls.resume",
    "approvals": "approvals.app",
    "sources": "sources.app",
    "freezes": "freezes.app",
    "heartbeats": "heartbeats.app",
    "maintenance": "maintenance.app",
    "oncall": "oncall.app",
    "notifications": "notifications.app",
    "slack": "slack.app",
    "silences": "silences.silences",
    "inhibitions": "silences.inhibitions",
    "standing-orders": "standing_orders.app",
    "systems": "systems.app",
    "direct-calls": "lookups.app",
    "sync": "sync.app",
    "accounts": "excess_access.app",
    "sagas": "sagas.app",
    "tenants": "operators.tenants",
    "operators": "operators.operators",
    "tokens": "operators.tokens",
    "audit": "audit.app",
    "agents": "agents.app",
    "docs": "questions.docs",
    "crew": "crew.app",
    "models": "models.models",
    "plugins": "plugins.app",
    "runbooks": "runbooks.app",
    "lab": "lab.app",
    "bench": "bench.app",
}


def _version(wanted: bool) -> None:
    if wanted:
        from opsteward.core.version import __version__

        typer.echo(__version__)
        raise typer.Exit


def everywhere(
    url: Annotated[str | None, typer.Option(help="The instance to talk to, instead of the one of this home.")] = None,
    _: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_version)] = False,
) -> None:
    """Options before the command."""
    if url is not None:
        from opsteward.cli import client

        client.given_url = url


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


def worker() -> None:
    """Run a worker beside others, on any machine that reaches the database."""
    from opsteward.cli.start_processes import run_worker

    run_worker()


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Stay up afterwards, with the console.")] = False,
    home: Annotated[Path | None, typer.Option(help="Folder to work in; a temporary one by default.")] = None,
) -> None:
    """Show the whole loop: break a real shop four times, watch it repaired and proven."""
    from opsteward.cli.demo import run_demo

    raise typer.Exit(run_demo(keep=keep, home=home))


def mcp() -> None:
    """Serve an MCP client on standard input and output, as the operator whose token is used."""
    from opsteward.cli.client import Client
    from opsteward.cli.mcp_server import serve

    serve(Client())


def doctor(as_json: Annotated[bool, typer.Option("--json", help="JSON for programs.")] = False) -> None:
    """Check this installation; each trouble with its remedy."""
    from opsteward.cli.doctor import run_doctor

    raise typer.Exit(run_doctor(as_json=as_json))


def rotate_credentials_key(as_json: Annotated[bool, typer.Option("--json", help="JSON for programs.")] = False) -> None:
    """Encrypt all stored credentials with a new key, and forget the old one; Opsteward may run meanwhile."""
    import asyncio

    from opsteward.app.key_rotation import rotate_credentials_key
    from opsteward.app.settings import load_settings
    from opsteward.cli import show

    count = asyncio.run(rotate_credentials_key(load_settings()))
    show.done({"encrypted": count}, f"Encrypted {count} secrets with a new key", json_wanted=as_json)


def version(as_json: Annotated[bool, typer.Option("--json", help="JSON for programs.")] = False) -> None:
    """Print the version."""
    from opsteward.cli import show
    from opsteward.core.version import __version__

    show.done({"version": __version__}, __version__, json_wanted=as_json)


_OWN = {
    function.__name__.replace("_", "-"): function
    for function in (up, worker, demo, mcp, doctor, rotate_credentials_key, version)
}


def commands(named: str | None = None) -> typer.Typer:
    """`opsteward` with all of its commands, or with those of one name and its own alone."""
    app = typer.Typer(
        name="opsteward",
        help="An always-on operations agent: it notices, decides under your rules, acts, verifies and explains.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(everywhere)
    for name, place in _COMMANDS.items():
        if named in (name, None):
            app.command(name)(_found(place))
    for name, function in _OWN.items():
        app.command(name)(function)
    for name, place in _GROUPS.items():
        if named in (name, None):
            app.add_typer(_found(place), name=name)
    return app


def _found(place: str) -> Any:
    module, _, name = place.partition(".")
    return getattr(import_module(f"opsteward.cli.{module}"), name)


def _named(arguments: Sequence[str]) -> str | None:
    """The command that these ask for, if it is a known one: else all are needed, to say which there are."""
    rest = iter(arguments)
    for one in rest:
        if one == "--url":
            next(rest, None)
        elif not one.startswith("--url="):
            return one if one in _COMMANDS | _GROUPS | _OWN else None
    return None


def main() -> None:
    """Entry point; an expected failure is one clear line, not a traceback."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # text files, both of them
    if "_OPSTEWARD_COMPLETE" in os.environ:  # a shell asks for words to complete
        commands()(prog_name="opsteward")
    sys.exit(_run(sys.argv[1:]))


def _run(arguments: list[str]) -> int:
    """The command's exit code, once it has ended."""
    from opsteward.cli import failures

    command = typer.main.get_command(commands(_named(arguments)))
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

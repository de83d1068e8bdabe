"""`opsteward plugins`: integrations, those that ship and those of others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from opsteward.cli.listing import Json

app = typer.Typer(help="See integrations, examine those of others and start one of your own.", no_args_is_help=True)


@app.command("list")
def list_plugins(as_json: Json = False) -> None:
    """What this installation can connect to, and where each part comes from."""
    from opsteward.app.plugins import installed_plugins, load_plugin, what_it_does
    from opsteward.app.registry import build_registry
    from opsteward.app.settings import load_settings
    from opsteward.cli import show
    from opsteward.core.errors import Invalid
    from opsteward.core.version import __version__

    settings = load_settings()
    rows: list[dict[str, object]] = []
    shipped = build_registry(settings.notify).integrations
    for one in shipped:
        told = {"name": one.slug, "schemes": ", ".join(sorted(one.schemes)), "does": what_it_does(one)}
        rows.append({**told, "package": f"opsteward {__version__}", "state": "ships"})
    named = [(place, place, "OPSTEWARD_PLUGINS", False) for place in settings.integrations.plugins]
    for found in installed_plugins():
        off = found.name in settings.integrations.disabled_plugins
        named.append((found.name, found.place, f"{found.package} {found.version}", off))
    for name, place, package, off in named:
        row: dict[str, object] = {"name": name, "schemes": "", "does": "", "package": package, "state": "disabled"}
        if not off:
            try:
                loaded = load_plugin(place, beside=shipped)
                row |= {"schemes": ", ".join(sorted(loaded.schemes)), "does": what_it_does(loaded), "state": "loaded"}
            except Invalid as error:
                row |= {"state": "unusable", "does": error.problems[0].problem}
        rows.append(row)
    if as_json:
        show.as_json({"items": rows})
        return
    show.table(rows, ["name", "schemes", "does", "package", "state"], empty="", whole=("name", "state"))


@app.command("check")
def check_plugin(
    place: Annotated[str | None, typer.Argument(help="Its name, or module:attribute; all of them without.")] = None,
    as_json: Json = False,
) -> None:
    """Load plug-ins and hold them to their contracts; exit code 1 when one is not sound."""
    from opsteward.app.plugins import examine, installed_plugins, load_plugin
    from opsteward.app.registry import build_registry
    from opsteward.app.settings import load_settings
    from opsteward.cli import show
    from opsteward.cli.failures import Failure
    from opsteward.core.errors import Invalid

    settings = load_settings()
    known = {one.name: one.place for one in installed_plugins()}
    wanted = [place] if place else [*settings.integrations.plugins, *known.values()]
    shipped = build_registry(settings.notify).integrations
    problems: dict[str, list[str]] = {}
    for one in wanted:
        try:
            problems[one] = list(examine(load_plugin(known.get(one, one), beside=shipped)))
        except Invalid as error:
            problems[one] = [error.problems[0].problem]
    if as_json:
        items = [{"plugin": one, "sound": not several, "problems": several} for one, several in problems.items()]
        show.as_json({"items": items})
    else:
        for one, several in problems.items():
            show.say(f"{one}: {'not sound' if several else 'sound'}")
        if not problems:
            show.say("No plug-in is installed.")
    failed = [f"{one}: {problem}" for one, several in problems.items() for problem in several]
    if failed:
        raise Failure(*failed)


@app.command("new")
def new_plugin(
    name: Annotated[str, typer.Argument(help="Lower-case letters, digits and _, as in acme_crm.")],
    folder: Annotated[Path, typer.Option(help="Where its folder is made.")] = Path(),
    as_json: Json = False,
) -> None:
    """Start a plug-in: a package with a connector, a check, its entry point and a test, that works as it is."""
    from opsteward.cli import show
    from opsteward.cli.plugin_template import write_plugin

    made = write_plugin(name, folder)
    if as_json:
        show.as_json({"folder": str(made)})
        return
    show.say(f"Made {made}")
    show.say(f"  pip install -e {made}")
    show.say(f"  opsteward plugins check {name}")

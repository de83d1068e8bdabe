"""`opsteward models`: whether the configured language models answer, and what their calls took."""

from __future__ import annotations

from typing import Annotated

import typer

from opsteward.cli.listing import Json

models = typer.Typer(help="The language models that the crew may ask.", no_args_is_help=True)


@models.command("test")
def test_models(as_json: Json = False) -> None:
    """Ask each configured model a smallest question, and see whether it answers."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.client.operations import crew

    page = Client().send(crew.try_models())
    if as_json:
        show.as_json(page)
    else:
        rows = [
            {**one, "ok": "yes" if one["ok"] else "no", "seconds": f"{one['seconds']:.3g}"} for one in page["items"]
        ]
        show.table(
            rows, ["model", "ok", "seconds", "problem", "said"], empty="No model is configured (OPSTEWARD_MODEL)."
        )
    if not all(one["ok"] for one in page["items"]):
        raise typer.Exit(1)


@models.command("usage")
def model_usage(
    days: Annotated[int, typer.Option(help="So many days, today the last.", min=1, max=90)] = 7, as_json: Json = False
) -> None:
    """What calls of models took by day, agent and model, and what of today's ceilings is used."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.client.operations import crew

    found = Client().send(crew.crew_model_usage(days=days))
    if as_json:
        show.as_json(found)
        return
    total = found["total"]
    if not total["calls"]:
        show.say(f"No model was called in the last {days} days.")
        return
    show.say(
        f"In the last {days} days: {total['calls']} calls, {total['failed']} of them failed, {found['by_fallbacks']}"
        f" answered by a fallback; {total['cost']:.4g} US dollars"
    )
    calls = ["name", "calls", "failed", "input_tokens", "output_tokens", "cost"]
    for groups in (found["by_model"], found["by_agent"]):
        show.table([{**one, "cost": f"{one['cost']:.4g}"} for one in groups], calls, empty="")
    used = [
        {
            "today": one["agent"] or "all agents",
            "spent": f"{one['spent']:.4g}",
            "reserved": f"{one['reserved']:.4g}",
            "most": f"{one['most']:g}",
        }
        for one in found["ceilings"]
    ]
    show.table(used, ["today", "spent", "reserved", "most"], empty="")

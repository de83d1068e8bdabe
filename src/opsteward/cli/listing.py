"""A list of the API, as every `list` command shows it: page after page up to a limit, and how to get the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from opsteward.cli.client import Client
    from opsteward.client.connection import Call, Page

Json = Annotated[bool, typer.Option("--json", help="JSON for programs.")]
Limit = Annotated[int, typer.Option(min=1, help="Show at most so many.")]
All = Annotated[bool, typer.Option("--all", help="Show all of them, however many.")]

LIMIT = 50
Row = Mapping[str, object]
Item = TypeVar("Item", bound=Row)


def show_pages(
    pages: Callable[..., Call[Page[Item]]],
    columns: Sequence[str],
    *,
    empty: str,
    as_json: bool,
    params: Row | None = None,
    limit: int = LIMIT,
    every: bool = False,
    cursor: tuple[str, str] = ("before", "id"),
    page_size: int = 200,
    rows: Callable[[Item], Row] = lambda item: item,
    whole: Sequence[str] = (),
) -> None:
    """Print the items that `pages` gives for these parameters, each as `rows` shows it to people.

    `cursor`: the parameter that goes on, and the item's field whose value it takes. `page_size`: what the API gives
    at most in one answer.
    """
    from opsteward.cli import show
    from opsteward.cli.actors import named
    from opsteward.cli.client import Client

    client = Client()
    items = fetched(client, pages, params or {}, most=None if every else limit + 1, cursor=cursor, page_size=page_size)
    more = not every and len(items) > limit
    shown = items[:limit] if more else items
    after = str(shown[-1][cursor[1]]) if more else None
    if as_json:
        show.as_json({"items": shown, "next": after})
        return
    show.table(named(client, [rows(item) for item in shown], columns), columns, empty=empty, whole=whole)
    if after is not None:
        option = cursor[0].replace("_", "-")
        show.note(f"{limit} shown, there are more: --{option} {show.plain(after)}, --limit N or --all")


def show_list(path: str, columns: Sequence[str], **options: Any) -> None:
    """As `show_pages`, for the list at a path."""
    from opsteward.client.connection import Call

    show_pages(lambda **params: Call("GET", path, params=params), columns, **options)


def fetched(
    client: Client,
    pages: Callable[..., Call[Page[Item]]],
    params: Row,
    *,
    most: int | None,
    cursor: tuple[str, str] = ("before", "id"),
    page_size: int = 200,
) -> list[Item]:
    """The items of as many pages as it takes to have `most` of them, or all."""
    items: list[Item] = []
    at = dict(params)
    while True:
        room = page_size if most is None else min(page_size, most - len(items))
        page = client.send(pages(**at, limit=room))
        items += client.items_of(page)
        if not page.get("next") or (most is not None and len(items) >= most):
            return items
        at[cursor[0]] = items[-1][cursor[1]]

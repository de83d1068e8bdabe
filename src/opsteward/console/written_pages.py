"""Opsteward's own documentation as HTML: Markdown without HTML in it, headings by their anchors, links among pages."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from posixpath import join, normpath
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from opsteward.help.parsing.parsed import anchor_of

_PAGES = "/help/product"
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")


@lru_cache(maxsize=64)
def html_of(text: str, folder: str) -> Markup:
    """A page of this folder of the documentation without its first heading, which is its title. A link that leads to no
    page of ours and to no address of the web is words."""
    tokens = _MARKDOWN.parse(text)
    if tokens and tokens[0].type == "heading_open" and tokens[0].tag == "h1":
        tokens = tokens[3:]
    for place, token in enumerate(tokens):
        if token.type == "heading_open":
            token.attrs["id"] = anchor_of(_words(tokens[place + 1].children or []))
        elif token.type in ("th_open", "td_open"):
            token.attrs.pop("style", None)  # the policy allows none
        elif token.type in ("fence", "code_block"):
            token.attrs["tabindex"] = 0
        elif token.children:
            token.children = _with_our_links(token.children, folder)
    return Markup(_MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {}))  # noqa: S704 -- escaped by the renderer


def _words(tokens: Sequence[Token]) -> str:
    return "".join(token.content for token in tokens)


def _with_our_links(tokens: Sequence[Token], folder: str) -> list[Token]:
    kept, dropped = [], False
    for token in tokens:
        if token.type == "link_open":
            to = _address(str(token.attrs.get("href", "")), folder)
            dropped = not to
            token.attrs = {"href": to}
        if not (dropped and token.type in ("link_open", "link_close")) and token.type != "image":
            kept.append(token)
    return kept


def _address(to: str, folder: str) -> str:
    """Where a link leads in the console; empty for nowhere."""
    parts = urlsplit(to)
    if parts.scheme in ("http", "https"):
        return to
    if parts.scheme or parts.netloc:
        return ""
    if not parts.path:
        return f"#{parts.fragment}" if parts.fragment else ""
    path = normpath(join(folder, parts.path))
    if path.startswith(("..", "/")) or path.count("/") != 1 or not path.endswith(".md"):
        return ""
    return f"{_PAGES}/{path}" + (f"#{parts.fragment}" if parts.fragment else "")

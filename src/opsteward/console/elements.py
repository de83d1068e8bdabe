"""The few elements that pages are made of. Whatever text they are given is shown as text, never as markup.

Everything that is shown passes through here, so that nothing from outside can reach a browser as HTML, as
Markdown, as a template, or inside an attribute that is run. The one place where markup is written is `frame`, and
it is constant. A list that is drawn in the browser (`user_rows`) is given data, and sets it as text there.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

from nicegui import ui
from nicegui.element import Element
from nicegui.elements.mixins.text_element import TextElement
from nicegui.events import ValueChangeEventArguments

from opsteward.console.wording import Look, ago_in_words
from opsteward.core.clock import iso, now

#: Characters of one piece of data that a page shows; the API gives the whole.
MAX_SHOWN = 20_000
_NEAR = 12 * 3600  # seconds around now in which a time of day needs no date
_TYPING = 150  # milliseconds without a key after which typing rests
MAX_SEARCHED = 200  # characters
_DOUBLE_TAP = 1.0  # seconds in which a second press of the same button is none


def tag(name: str, classes: str = "") -> Element:
    """An empty element, to be filled in a `with`."""
    return ui.element(name).classes(classes)


def text(content: str, classes: str = "", *, name: str = "span") -> TextElement:
    """An element that shows this text, exactly."""
    return TextElement(tag=name, text=shortened(content)).classes(classes)


def shortened(content: str) -> str:
    """At most MOST_SHOWN characters, and a word about the rest."""
    if len(content) <= MAX_SHOWN:
        return content
    return f"{content[:MAX_SHOWN]}\n… ({len(content) - MAX_SHOWN} more characters: see the API)"


def icon(name: str) -> Element:
    """A picture beside words that say the same, so it is hidden from screen readers."""
    drawn = ui.icon(name)
    drawn.props["aria-hidden"] = "true"
    return drawn


def chip(look: Look) -> Element:
    """A status: icon, word and tone, so that the colour is never the only sign."""
    with tag("span", f"chip tone-{look.tone}") as drawn:
        icon(look.icon)
        text(look.word)
    return drawn


def at(instant: datetime, before: str = "") -> Element:
    """The time of day, and the date if it is not about today; `before` is a word in front of it."""
    near = abs((now() - instant).total_seconds()) < _NEAR
    return _time(instant, f"{instant:%H:%M:%S} UTC" if near else f"{instant:%Y-%m-%d %H:%M} UTC", "", before)


def ago(instant: datetime, before: str = "") -> Element:
    """How long ago, after a word in front of it; the page's own script keeps it true."""
    return _time(instant, ago_in_words((now() - instant).total_seconds()), "ago", before)


def _time(instant: datetime, words: str, classes: str, before: str) -> Element:
    with tag("span") as drawn:
        if before:
            text(f"{before} ")
        time = text(words, classes, name="time")
        time.props["datetime"] = time.props["title"] = iso(instant)
    return drawn


def link(content: str, path: str, classes: str = "") -> TextElement:
    """A link inside the console; `path` is our own."""
    drawn = text(content, classes, name="a")
    drawn.props["href"] = path
    return drawn


def button(
    words: str, act: Callable[[], Awaitable[None]], *, picture: str, kind: str = "", why_not: str = ""
) -> Element:
    """A button of touch size; with `why_not` it can't be pressed and says why."""
    with tag("button", f"button {kind}") as drawn:
        icon(picture)
        text(words, "words")
    drawn.props["type"] = "button"
    if why_not:
        drawn.props["disabled"] = True
        drawn.props["title"] = why_not
    else:
        drawn.on("click", act, args=[], throttle=_DOUBLE_TAP, trailing_events=False)
    return drawn


def select(
    words: str, offered: Sequence[tuple[str, str]], choose: Callable[[str], object], *, chosen: str = ""
) -> Element:
    """One of these (value and words), under a label; `choose` is told the value, as the browser sends it."""
    with tag("label", "field") as drawn:
        text(words, "label")
        with tag("select") as box:
            for value, shown in offered:
                option = text(shown, name="option")
                option.props["value"] = value
                if value == chosen:
                    option.props["selected"] = True
        box.on("change", lambda event: choose(str(event.args)), js_handler="(e) => emit(e.target.value)")
    return drawn


def search_box(words: str, find: Callable[[str], Awaitable[None]], *, given: str = "") -> Element:
    """A place to type into; `find` is told what stands in it once the typing rests for a moment."""

    async def told(event: ValueChangeEventArguments[Any]) -> None:
        await find(str(event.value or ""))

    box = ui.input(value=given, placeholder=words, on_change=told)
    box.props(f"outlined clearable debounce={_TYPING} maxlength={MAX_SEARCHED} type=search autocomplete=off")
    box.props["aria-label"] = words
    with box.add_slot("prepend"):
        icon("search")
    return box.classes("search")


def bar(percent: float, words: str) -> Element:
    """How far something is; `words` say the same to a screen reader."""
    with tag("span", "track") as drawn:
        tag("span", "filled").style(f"width: {min(max(percent, 0.0), 100.0):.1f}%")
    drawn.props["role"], drawn.props["aria-label"] = "progressbar", words
    drawn.props["aria-valuenow"] = f"{percent:.0f}"
    return drawn


def more(words: str, value: Any, *, opened: bool = False) -> None:
    """Data that opens on demand: text as it is, anything else as JSON. Nothing is drawn for nothing."""
    if not value:
        return
    with tag("details", "more") as drawn:
        text(words, name="summary")
        text(value if isinstance(value, str) else as_json(value), "data", name="pre")
    if opened:
        drawn.props["open"] = True


def as_json(value: Any) -> str:
    """Data as people read it."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def section(title: str, picture: str, classes: str = "") -> Element:
    """A card with a heading, to be filled in a `with`; on a phone `late` ones come after the others."""
    card = tag("section", f"card {classes}")
    with card, tag("h2"):
        icon(picture)
        text(title)
    return card


def lines(words: str, items: Sequence[str], *, name: str = "ul") -> None:
    """A short list under a heading of its own; nothing is drawn for nothing."""
    if not items:
        return
    text(words, "label", name="p")
    with tag(name, "lines"):
        for item in items:
            text(str(item), name="li")


def advice(words: str, command: str = "") -> None:
    """What to do where there is nothing to see yet."""
    with tag("div", "advice"):
        text(words, name="p")
        if command:
            text(command, name="code")

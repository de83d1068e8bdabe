"""A list on a page that follows what it shows: only what changed is sent to the browser.

What a person has opened or scrolled to stays as it is, because an unchanged item keeps its element.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any, Generic, TypeVar

from nicegui.element import Element

from opsteward.console.elements import tag

T = TypeVar("T")


class KeyedList(Generic[T]):
    """`key` tells which item is which, `render` draws one into the open element, `empty` what stands for none.

    An item is drawn again when it is not equal to what was drawn, so it must hold all that its drawing shows.
    """

    def __init__(
        self,
        *,
        key: Callable[[T], Hashable],
        render: Callable[[T], None],
        empty: Callable[[], None],
        name: str = "ul",
        item: str = "li",
        classes: str = "plain",
    ) -> None:
        self._key = key
        self._render = render
        self._item = item
        self._list = tag(name, classes)
        self._empty = tag("div")
        with self._empty:
            empty()
        self._shown: dict[Hashable, tuple[T, Element]] = {}

    def show(self, items: Iterable[T]) -> None:
        """Make the list these items, in this order."""
        wanted = {self._key(item): item for item in items}
        for gone in set(self._shown) - set(wanted):
            self._shown.pop(gone)[1].delete()
        for index, (key, item) in enumerate(wanted.items()):
            root = self._drawn(key, item)
            if self._list.default_slot.children[index] is not root:
                root.move(target_index=index)
        self._list.set_visibility(bool(wanted))
        self._empty.set_visibility(not wanted)

    def _drawn(self, key: Hashable, item: T) -> Element:
        known = self._shown.get(key)
        if known is not None and known[0] == item:
            return known[1]
        if known is None:
            with self._list:
                root = tag(self._item)
        else:
            root = known[1]
            root.clear()
        with root:
            self._render(item)
        self._shown[key] = (item, root)
        return root


def one(draw: Callable[[Any], None]) -> KeyedList[Any]:
    """A place for one thing, or none, that is drawn again whenever it changes."""
    return KeyedList[Any](key=lambda _: 0, render=draw, empty=lambda: None, name="div", item="div", classes="one")

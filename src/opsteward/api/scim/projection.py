"""`attributes` and `excludedAttributes`: which parts of a document are sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from opsteward.api.scim.responses import Refused
from opsteward.core.json_types import Json, JsonObject

_CORE = ("urn:ietf:params:scim:schemas:core:2.0:user:", "urn:ietf:params:scim:schemas:core:2.0:group:")
_ALWAYS = frozenset({"schemas", "id"})
_Path = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Projection:
    """Which attributes are wanted (None: the usual ones), and which not; all in lower case."""

    wanted: frozenset[_Path] | None = None
    unwanted: frozenset[_Path] = frozenset()

    @classmethod
    def of(cls, attributes: Json, excluded: Json) -> Projection:
        """As a request gives them: comma-separated, or as a list. Raises Refused when both are given."""
        wanted, unwanted = _names(attributes), _names(excluded)
        if wanted and unwanted:
            raise Refused.because("attributes and excludedAttributes exclude each other", "invalidValue")
        return cls(wanted=frozenset(map(_path, wanted)) or None, unwanted=frozenset(map(_path, unwanted)))

    def asks_for(self, name: str) -> bool:
        """Whether anything of a top attribute is to be sent."""
        if self.wanted is not None:
            return any(path[0] == name for path in self.wanted)
        return (name,) not in self.unwanted

    def applied(self, document: Mapping[str, Json]) -> JsonObject:
        """The document without what is not to be sent; its id and its schemas always are."""
        if self.wanted is None and not self.unwanted:
            return dict(document)
        part = _drop(document, self.unwanted) if self.wanted is None else _keep(document, self.wanted)
        found = {name: part.get(name, value) for name, value in document.items() if name in part or name in _ALWAYS}
        # the schemas of what is there (RFC 7643, 3): an extension of which nothing is sent is not named
        named = document["schemas"]
        core, *extensions = map(str, named if isinstance(named, list) else [])
        return found | {"schemas": [core, *(urn for urn in extensions if urn in found)]}


def _names(given: Json) -> list[str]:
    if given is None:
        return []
    listed = given if isinstance(given, list) else [given]
    texts = [one for one in listed if isinstance(one, str)]
    if len(texts) != len(listed):
        raise Refused.because("attributes are given by their names", "invalidValue")
    return [name.strip() for text in texts for name in text.split(",") if name.strip()]


def _path(name: str) -> _Path:
    text = name.lower()
    for prefix in _CORE:
        text = text.removeprefix(prefix)
    if not text.startswith("urn:"):
        return tuple(text.split("."))
    # an extension's URN ends with the name of a type; what follows is the attribute
    urn, _, rest = text.rpartition(":")
    if urn.rpartition(":")[2] in ("user", "group"):
        return urn, *rest.split(".")
    return (text,)


def _keep(document: Mapping[str, Json], paths: Iterable[_Path]) -> JsonObject:
    found: JsonObject = {}
    for name, value in document.items():
        own = [path[1:] for path in paths if path[0] == name.lower()]
        if not own:
            continue
        if () in own:
            found[name] = value
        elif isinstance(value, Mapping):
            found[name] = _keep(value, own)
        elif isinstance(value, list):
            found[name] = [_keep(one, own) for one in value if isinstance(one, Mapping)]
        if found.get(name) in ({}, []):
            del found[name]
    return found


def _drop(document: Mapping[str, Json], paths: Iterable[_Path]) -> JsonObject:
    found: JsonObject = {}
    for name, value in document.items():
        own = [path[1:] for path in paths if path[0] == name.lower()]
        if () in own:
            continue
        if own and isinstance(value, Mapping):
            found[name] = _drop(value, own)
        elif own and isinstance(value, list):
            found[name] = [_drop(one, own) if isinstance(one, Mapping) else one for one in value]
        else:
            found[name] = value
    return found

"""Forms of a source's bodies as people write them: YAML with `shapes`, in JMESPath; and trying them on a body."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import ValidationError

from opsteward.contracts.source import Shape
from opsteward.core.computing import compute
from opsteward.core.error_words import problems_of
from opsteward.core.errors import FieldProblem, Invalid
from opsteward.core.json_types import Json
from opsteward.events.sources.mapping import Reading, preview
from opsteward.events.sources.own_sources import KnownSource
from opsteward.events.standing_orders.located_yaml import FileProblem, NotYaml, read

MAX_SHAPES = 50
_PREVIEW_SECONDS = 1.0  # of a processor
_HOW = "write `shapes:` and below it a list, as the guide on sources shows"


def shapes_of(text: str) -> tuple[Shape, ...]:
    """The forms that a text holds, none for an empty one. Raises Invalid that names each line that is wrong."""
    if not text.strip():
        return ()
    try:
        found = read(text)
    except NotYaml as error:
        raise Invalid(problems=[error.problem]) from None
    if found.problems:
        raise Invalid(problems=[problem for _, problem in found.problems])
    content = found.content
    given = content.get("shapes") if isinstance(content, dict) and content.keys() == {"shapes"} else content
    if not isinstance(given, list) or len(given) > MAX_SHAPES:
        raise Invalid.field("shapes", f"is no list of up to {MAX_SHAPES} forms", _HOW)
    inside: tuple[str | int, ...] = ("shapes",) if isinstance(content, dict) else ()
    shapes: list[Shape] = []
    problems: list[FieldProblem] = []
    for number, one in enumerate(given):
        line = found.place((*inside, number))[0]
        try:
            shapes.append(Shape.model_validate({k: v for k, v in one.items() if v} if isinstance(one, dict) else one))
        except ValidationError as error:
            problems += [
                FileProblem(line=line, field=f"shapes.{number}.{one.field}", problem=one.problem, remedy=one.remedy)
                for one in problems_of(error.errors(include_url=False), given=one)
            ]
    if problems:
        raise Invalid(problems=problems)
    return tuple(shapes)


def text_of(shapes: Sequence[Shape]) -> str:
    """The same as a text; empty for none."""
    import yaml

    if not shapes:
        return ""
    given = [one.model_dump(mode="json", exclude_defaults=True) for one in shapes]
    return yaml.safe_dump({"shapes": given}, sort_keys=False, allow_unicode=True, width=110)


async def tried(
    source: KnownSource, body: Json, headers: Mapping[str, str], *, shapes: Sequence[Shape] | None = None
) -> Reading:
    """How a body would be read by these forms (None: by those that are set), else by those that ship. Nothing is
    stored. Raises Invalid, TooExpensive or Busy; hold no unit of work meanwhile."""
    own = source.settings.shapes if shapes is None else tuple(shapes)
    mapping = source.mapping.model_copy(update={"shapes": own}) if own else source.mapping
    return await compute(_PREVIEW_SECONDS, preview, mapping, body, headers)

"""The types of work there are: those of the catalogue, and workflows made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from types import MappingProxyType

from pydantic import BaseModel, ValidationError

from opsteward.core.error_words import problems_of
from opsteward.core.errors import FieldProblem, Invalid
from opsteward.crew.execution.types import Part
from opsteward.crew.execution.workflow import NAME as WORKFLOW_NAME
from opsteward.crew.execution.workflow import WORKFLOW, Workflow
from opsteward.crew.types import TaskType


class WorkTypes:
    """Found by name; read when first asked for."""

    def __init__(self, types: Mapping[str, TaskType] | None = None) -> None:
        """`types`: instead of the catalogue."""
        self._types = None if types is None else MappingProxyType({**types, WORKFLOW_NAME: WORKFLOW})

    @property
    def all(self) -> Mapping[str, TaskType]:
        """Every type by its name."""
        if self._types is None:
            from opsteward.crew.catalogue import task_types

            self._types = MappingProxyType({**task_types(), WORKFLOW_NAME: WORKFLOW})
        return self._types

    @property
    def engines(self) -> list[str]:
        """The names of all that have an engine of their own."""
        return [name for name in self.all if name != WORKFLOW_NAME]

    def find(self, name: str, domain: str | None = None) -> TaskType:
        """By its full name, or by the part behind the domain; '-' is as good as '_'. Raises Invalid."""
        wanted = name.strip().lower().replace("-", "_")
        names = [wanted, f"{domain}.{wanted}"] if domain else [wanted]
        for one in names:
            if one in self.all:
                return self._of_domain(self.all[one], domain)
        ends = [one for one in self.all if one.partition(".")[2] == wanted]
        if len(ends) == 1:
            return self._of_domain(self.all[ends[0]], domain)
        near = get_close_matches(wanted[:100], list(self.all), n=1, cutoff=0.5)
        said = f"did you mean {near[0]!r}? " if near else ""
        raise Invalid.field("type", f"there is no type of work {name[:80]!r}", f"{said}see GET /api/crew/types")

    @staticmethod
    def _of_domain(found: TaskType, domain: str | None) -> TaskType:
        if domain is not None and domain != found.domain and found.name != WORKFLOW_NAME:
            raise Invalid.field("domain", f"{found.name} is work of {found.domain}", "leave it out, or correct it")
        return found

    def parts(self, found: TaskType, parameters: Mapping[str, object], *, at: str = "parameters") -> list[Part]:
        """What is to be computed: the one engine's share, or each of a workflow's. Raises Invalid that names each bad
        parameter."""
        typed = _validated(found, parameters, at)
        if not isinstance(typed, Workflow):
            return [Part(task_type=found, parameters=typed)]
        parts: list[Part] = []
        problems: list[FieldProblem] = []
        for number, one in enumerate(typed.parts):
            where = f"{at}.parts.{number}"
            try:
                inner = self.find(one.type)
                if inner.name == WORKFLOW_NAME:
                    raise Invalid.field("type", "is a workflow within a workflow", "put its parts here")
                parts.append(Part(task_type=inner, parameters=_validated(inner, one.parameters, "parameters")))
            except Invalid as error:
                problems += [
                    FieldProblem(field=f"{where}.{p.field}", problem=p.problem, remedy=p.remedy) for p in error.problems
                ]
        if problems:
            raise Invalid(problems=problems)
        return parts


def domains_of(parts: Sequence[Part]) -> list[str]:
    """In the order of the parts, each once."""
    return list(dict.fromkeys(part.task_type.domain for part in parts))


def _validated(found: TaskType, parameters: Mapping[str, object], at: str) -> BaseModel:
    try:
        return found.parameters.model_validate(parameters)
    except ValidationError as error:
        found_wrong = error.errors(include_url=False)
        raise Invalid(problems=problems_of(found_wrong, prefix=at, given=parameters, limit=20)) from None

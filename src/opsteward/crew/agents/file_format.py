"""Reads one agent's file. All that is wrong in it is found at once, each with its line and remedy.

What concerns several agents (who may delegate to whom) is `roster`'s.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from pathlib import Path

from opsteward.crew.agents.types import BUILT_IN_ENGINES, PLAN_ENGINE, TOOLS, Agent, AgentFileProblem, Level, Limits
from opsteward.events.standing_orders.located_yaml import MAX_BYTES, LocatedYaml, NotYaml, Plain, read

_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}(\.[a-z][a-z0-9_]{0,40})?")
_FIELDS = ("name", "level", "role", "goal", "tools", "engine", "model", "limits", "may_delegate_to")
_REQUIRED = ("name", "level", "role", "goal", "engine", "limits")
_LIMITS = {"seconds": 86_400.0, "tokens": 100_000_000.0, "money": 100_000.0, "calls_per_minute": 100_000.0}
_WHOLE = frozenset({"tokens", "calls_per_minute"})
_TEXT_LIMIT = 2_000
_LIST_LIMIT = 100


class AgentFile:
    """One file: the agent in it, where nothing is wrong; its name; and what is wrong."""

    def __init__(self, path: Path, *, shown_as: str, engines: Collection[str], shipped: bool) -> None:
        """`engines`: the names of all there are."""
        self.problems: list[AgentFileProblem] = []
        self._shown_as, self._engines, self._shipped = shown_as, engines, shipped
        self._yaml = LocatedYaml()
        self.name = ""
        self.agent = self._read(path)

    def problem(self, field: str, problem: str, remedy: str) -> AgentFileProblem:
        """A problem of this file, with the line of the field; kept in `problems` too."""
        where = tuple(int(part) if part.isdecimal() else part for part in field.split(".")) if field else ()
        line = self._yaml.place(where, of_name=len(where) == 1)[0]
        found = AgentFileProblem(file=self._shown_as, line=line, field=field or "file", problem=problem, remedy=remedy)
        self.problems.append(found)
        return found

    def _read(self, path: Path) -> Agent | None:
        try:
            if path.stat().st_size > MAX_BYTES:
                self.problem("", f"is larger than {MAX_BYTES} bytes", "shorten it")
                return None
            self._yaml = read(path.read_text(encoding="utf-8"))
        except OSError as error:
            self.problem("", f"can't be read: {error.strerror}", "give Opsteward the right to read it")
            return None
        except UnicodeDecodeError:
            self.problem("", "is no text in UTF-8", "save it as UTF-8")
            return None
        except NotYaml as error:
            said = error.problem
            self.problems.append(
                AgentFileProblem(
                    file=self._shown_as, line=said.line, field="file", problem=said.problem, remedy=said.remedy
                )
            )
            return None
        for _, said in self._yaml.problems:
            self.problems.append(
                AgentFileProblem(
                    file=self._shown_as, line=said.line, field=said.field, problem=said.problem, remedy=said.remedy
                )
            )
        content = self._yaml.content
        if not isinstance(content, dict):
            self.problem("", "holds no agent", f"write its fields: {', '.join(_REQUIRED)}")
            return None
        return self._agent(content)

    def _agent(self, content: Mapping[str, Plain]) -> Agent | None:
        for name in content:
            if name not in _FIELDS:
                self.problem(name, "is no field of an agent", _nearest(name, _FIELDS))
        for name in _REQUIRED:
            if content.get(name) in (None, "", [], {}):
                self.problem(name if name in content else "", f"{name} is missing", f"add '{name}: ...'")
        name, level = self._text(content, "name"), self._text(content, "level")
        self.name = name
        if name and not _NAME.fullmatch(name):
            self.problem("name", f"{name[:60]!r} is no name", "use <domain>.<word> in small letters, digits and '_'")
        if level and level not in list(Level):
            self.problem("level", f"{level[:60]!r} is no level", _nearest(level, list(Level)))
        tools = self._known(content, "tools", TOOLS, "tool")
        engines = self._engines_of(content)
        if PLAN_ENGINE in engines and len(engines) > 1:
            self.problem("engine", f"{PLAN_ENGINE!r} stands beside others", "an agent plans, or computes")
        limits = self._limits(content.get("limits", {}))
        fields = {one: self._text(content, one) for one in ("role", "goal", "model")}
        delegates = self._list(content, "may_delegate_to")
        if self.problems or limits is None:
            return None
        return Agent(
            name=name,
            level=Level(level),
            domain=name.partition(".")[0],
            role=fields["role"],
            goal=fields["goal"],
            tools=tuple(tools),
            engines=tuple(engines),
            model=fields["model"] or None,
            limits=limits,
            may_delegate_to=tuple(delegates),
            file=self._shown_as,
            shipped=self._shipped,
        )

    def _text(self, content: Mapping[str, Plain], field: str) -> str:
        value = content.get(field, "")
        if not isinstance(value, str):
            self.problem(field, "must be a single text", "write it after the colon")
            return ""
        if len(value) > _TEXT_LIMIT:
            self.problem(field, f"is longer than {_TEXT_LIMIT} characters", "shorten it")
        return value.strip()

    def _list(self, content: Mapping[str, Plain], field: str) -> list[str]:
        value = content.get(field, [])
        if isinstance(value, str):
            value = [value] if value else []
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value) or len(value) > _LIST_LIMIT:
            self.problem(field, "must be a list of names", "write it as [one, another]")
            return []
        names = [str(one) for one in value]
        for number, one in enumerate(names):
            if one in names[:number]:
                self.problem(f"{field}.{number}", f"{one[:60]!r} is named twice", "keep one")
        return names

    def _known(self, content: Mapping[str, Plain], field: str, known: Collection[str], what: str) -> list[str]:
        names = self._list(content, field)
        listed = isinstance(content.get(field), list)
        for number, one in enumerate(names):
            if one not in known:
                self.problem(
                    f"{field}.{number}" if listed else field, f"there is no {what} {one[:60]!r}", _nearest(one, known)
                )
        return names

    def _engines_of(self, content: Mapping[str, Plain]) -> list[str]:
        """By name; `crm.*` is every engine of that domain."""
        by_domain: dict[str, list[str]] = {}
        for name in self._engines:
            by_domain.setdefault(f"{name.partition('.')[0]}.*", []).append(name)
        named = self._known(content, "engine", [*self._engines, *BUILT_IN_ENGINES, *by_domain], "engine")
        return list(dict.fromkeys(name for one in named for name in by_domain.get(one, [one])))

    def _limits(self, value: Plain) -> Limits | None:
        if not isinstance(value, dict):
            self.problem("limits", "must be named values", f"write {', '.join(_LIMITS)} below it")
            return None
        for name in value:
            if name not in _LIMITS:
                self.problem(f"limits.{name}", "is no limit", _nearest(name, _LIMITS))
        found: dict[str, float] = {}
        for name, highest in _LIMITS.items():
            if name not in value:
                if value:
                    self.problem("limits", f"{name} is missing", f"add '{name}: ...'")
                continue
            number = _number(value[name])
            if number is None or not 0 <= number <= highest or (name in _WHOLE and number != int(number)):
                kind = "whole number" if name in _WHOLE else "number"
                self.problem(f"limits.{name}", f"is no {kind} from 0 to {highest:g}", f"give a {kind} in these bounds")
            else:
                found[name] = number
        if len(found) < len(_LIMITS):
            return None
        return Limits(
            seconds=found["seconds"],
            tokens=int(found["tokens"]),
            money=found["money"],
            calls_per_minute=int(found["calls_per_minute"]),
        )


def _number(value: Plain) -> float | None:
    try:
        number = float(value) if isinstance(value, str) else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _nearest(word: str, known: Collection[str]) -> str:
    if near := get_close_matches(word[:60], [str(one) for one in known], n=1, cutoff=0.6):
        return f"did you mean {near[0]!r}?"
    names = sorted(str(one) for one in known)
    return f"use one of: {', '.join(names[:20])}{', ...' if len(names) > 20 else ''}"

"""Reads one file of direct calls. All that is wrong in it is found at once, each with its line and remedy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path

from opsteward.crew.direct_calls.statements import NotAStatement, read_statement
from opsteward.crew.direct_calls.types import (
    ROWS_DEFAULT,
    ROWS_LIMIT,
    SECONDS_DEFAULT,
    SECONDS_LIMIT,
    CallFileProblem,
    CallValue,
    DirectCall,
    ValueType,
)
from opsteward.crew.direct_calls.values import WrongValue, read_bound, read_value
from opsteward.events.standing_orders.located_yaml import MAX_BYTES, LocatedYaml, NotYaml, Plain, read

_NAME = re.compile(r"[a-z][a-z0-9_]{0,60}(\.[a-z][a-z0-9_]{0,60})?")
_VALUE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,60}")
_PLACE = re.compile(r"\{([^{}]*)\}")
_CALL_FIELDS = ("system", "says", "sql", "get", "query", "items", "paging", "values", "rows", "seconds", "method")
_VALUE_FIELDS = ("type", "says", "default", "min", "max", "choices")
_FILES_LIMIT = 200
_CALLS_LIMIT = 1000


def load_calls(folder: Path) -> tuple[dict[str, DirectCall], list[CallFileProblem]]:
    """All calls of a folder's files by name, and what is wrong in the files. A call with a mistake is left out."""
    calls: dict[str, DirectCall] = {}
    problems: list[CallFileProblem] = []
    try:
        paths = sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])[:_FILES_LIMIT]
    except OSError:
        paths = []
    if not paths:
        problems.append(
            CallFileProblem(file=str(folder), line=1, field="file", problem="there is no .yaml file in this folder",
                            remedy="write one, or name another folder")
        )  # fmt: skip
    for path in paths:
        found = CallFile(path)
        problems += found.problems
        for name, call in found.calls.items():
            if name in calls:
                problems.append(found.problem((name,), f"is in {calls[name].file} too", "rename one of them"))
            elif len(calls) < _CALLS_LIMIT:
                calls[name] = call
    return calls, problems


class CallFile:
    """One file: a mapping of names to calls."""

    def __init__(self, path: Path) -> None:
        self.problems: list[CallFileProblem] = []
        self.calls: dict[str, DirectCall] = {}
        self._file = path.name
        self._yaml = LocatedYaml()
        text = self._text_of(path)
        if text is not None:
            self._read(text)

    def problem(self, path: tuple[str | int, ...], problem: str, remedy: str) -> CallFileProblem:
        """What is wrong at a place of this file."""
        line = self._yaml.place(path, of_name=True)[0]
        return CallFileProblem(
            file=self._file, line=line, field=".".join(map(str, path)) or "file", problem=problem, remedy=remedy
        )

    def _text_of(self, path: Path) -> str | None:
        try:
            if path.stat().st_size <= MAX_BYTES:
                return path.read_text(encoding="utf-8")
            said = (f"is larger than {MAX_BYTES} bytes", "divide it")
        except OSError as error:
            said = (f"can't be read: {error.strerror}", "give Opsteward the right to read it")
        except UnicodeDecodeError:
            said = ("is no text in UTF-8", "save it as UTF-8")
        self.problems.append(self.problem((), *said))
        return None

    def _read(self, text: str) -> None:
        try:
            self._yaml = read(text)
        except NotYaml as error:
            said = error.problem
            self.problems.append(
                CallFileProblem(file=self._file, line=said.line, field="file", problem=said.problem, remedy=said.remedy)
            )
            return
        for _, said in self._yaml.problems:
            self.problems.append(
                CallFileProblem(
                    file=self._file, line=said.line, field=said.field, problem=said.problem, remedy=said.remedy
                )
            )
        content = self._yaml.content
        if not isinstance(content, dict):
            self._wrong((), "holds no calls", "write <name>: with system and sql (or get) below it")
            return
        for name, fields in content.items():
            before = len(self.problems)
            call = self._call(name, fields)
            if call is not None and len(self.problems) == before:
                self.calls[name] = call

    def _wrong(self, path: tuple[str | int, ...], problem: str, remedy: str) -> None:
        self.problems.append(self.problem(path, problem, remedy))

    def _call(self, name: str, fields: Plain) -> DirectCall | None:
        if not _NAME.fullmatch(name):
            self._wrong((name,), "is no name for a call", "use small letters, digits and '_', with one dot at most")
        if not isinstance(fields, dict):
            self._wrong((name,), "has no fields", "write system and sql (or get) below it")
            return None
        for field in fields:
            if field not in _CALL_FIELDS:
                near = get_close_matches(field, _CALL_FIELDS, 1)
                self._wrong(
                    (name, field), "is no field of a call", f"did you mean {near[0]}?" if near else "take it out"
                )
        system = self._text(fields, name, "system")
        if not system:
            self._wrong((name,), "names no system", "add system: the name of a registered one")
        if bool(fields.get("sql")) == bool(fields.get("get")):
            self._wrong((name,), "needs either sql or get", "sql for a database, get (a path) for an API")
            return None
        method = self._text(fields, name, "method").upper()
        if method not in ("", "GET"):
            self._wrong((name, "method"), f"{method[:10]} may change something", "an effect goes through an action")
        values = self._values(name, fields.get("values", {}))
        statement, used = self._statement(fields, name) if fields.get("sql") else ("", self._places(fields))
        self._all_used(name, values, used)
        return DirectCall(
            name=name,
            says=self._text(fields, name, "says"),
            system=system,
            values=values,
            statement=statement,
            declared=self._declared(fields, name) if fields.get("get") else {},
            max_rows=int(self._number(fields, name, "rows", ROWS_DEFAULT, ROWS_LIMIT)),
            seconds=self._number(fields, name, "seconds", SECONDS_DEFAULT, SECONDS_LIMIT),
            file=self._file,
        )

    def _statement(self, fields: Mapping[str, Plain], name: str) -> tuple[str, frozenset[str]]:
        for field in ("query", "items", "paging"):
            if field in fields:
                self._wrong((name, field), "belongs to get", "take it out")
        try:
            return read_statement(self._text(fields, name, "sql", limit=20_000))
        except NotAStatement as error:
            self._wrong((name, "sql"), str(error), error.remedy)
            return "", frozenset()

    @staticmethod
    def _places(fields: Mapping[str, Plain]) -> frozenset[str]:
        query = fields.get("query")
        texts = [fields.get("get"), *(query.values() if isinstance(query, dict) else ())]
        return frozenset(name for text in texts if isinstance(text, str) for name in _PLACE.findall(text))

    def _declared(self, fields: Mapping[str, Plain], name: str) -> dict[str, object]:
        made: dict[str, object] = {"path": self._text(fields, name, "get").lstrip("/")}
        for field in ("query", "items", "paging"):
            if field in fields:
                made[field] = fields[field]
        if not isinstance(made.get("query", {}), dict):
            self._wrong((name, "query"), "is no mapping", "write name: value below it")
        if "://" in str(made["path"]) or ".." in str(made["path"]).split("/"):
            self._wrong((name, "get"), "leads out of the system", "write a path below the system's endpoint")
        return made

    def _all_used(self, name: str, values: Mapping[str, CallValue], used: frozenset[str]) -> None:
        for one in sorted(used - values.keys()):
            self._wrong(
                (name,), f"uses the value {one[:60]!r}, which is not declared", "add it below values, with its type"
            )
        for one in sorted(values.keys() - used):
            self._wrong((name, "values", one), "is never used", "use it, or take it out")

    def _values(self, name: str, content: Plain) -> dict[str, CallValue]:
        if not isinstance(content, dict):
            if content:
                self._wrong((name, "values"), "is no mapping", "write <name>: {type: text} below it")
            return {}
        made: dict[str, CallValue] = {}
        for key, said in content.items():
            fields: Mapping[str, Plain] = (
                {"type": said} if isinstance(said, str) else said if isinstance(said, dict) else {}
            )
            value = self._value((name, "values", key), key, fields)
            if value is not None:
                made[key] = value
        return made

    def _value(self, at: tuple[str, ...], key: str, fields: Mapping[str, Plain]) -> CallValue | None:
        if not _VALUE_NAME.fullmatch(key):
            self._wrong(at, "is no name for a value", "use letters, digits and '_'")
        for field in fields:
            if field not in _VALUE_FIELDS:
                self._wrong((*at, field), "is no field of a value", f"there are {', '.join(_VALUE_FIELDS)}")
        said = fields.get("type", "text")
        if not isinstance(said, str) or said not in list(ValueType):
            self._wrong((*at, "type"), f"{str(said)[:40]!r} is no type", f"use one of {', '.join(ValueType)}")
            return None
        kind = ValueType(said)
        bounds: dict[str, object] = {"low": None, "high": None}
        for field, name in (("min", "low"), ("max", "high")):
            if field in fields:
                try:
                    bounds[name] = read_bound(kind, str(fields[field]))
                except WrongValue as error:
                    self._wrong((*at, field), str(error), f"write a bound of {kind}")
        choices = fields.get("choices", [])
        if not isinstance(choices, list) or not all(isinstance(one, str) for one in choices):
            self._wrong((*at, "choices"), "is no list of texts", "write [a, b]")
            choices = []
        value = CallValue(
            name=key, type=kind, says=str(fields.get("says", ""))[:500], choices=tuple(str(one) for one in choices),
            low=bounds["low"], high=bounds["high"],
        )  # fmt: skip
        return self._with_default(at, value, fields) if "default" in fields else value

    def _with_default(self, at: tuple[str, ...], value: CallValue, fields: Mapping[str, Plain]) -> CallValue:
        said = fields["default"]
        default: object = None
        if said != "":
            try:
                default = read_value(value, said)
            except WrongValue as error:
                self._wrong((*at, "default"), str(error), f"write a {value.type}, or nothing for null")
        return CallValue(**{**value.__dict__, "has_default": True, "default": default})

    def _text(self, fields: Mapping[str, Plain], name: str, field: str, *, limit: int = 2000) -> str:
        value = fields.get(field, "")
        if not isinstance(value, str):
            self._wrong((name, field), "must be a single text", "write it after the colon")
            return ""
        if len(value) > limit:
            self._wrong((name, field), f"is longer than {limit} characters", "shorten it")
        return value.strip()

    def _number(self, fields: Mapping[str, Plain], name: str, field: str, default: float, limit: float) -> float:
        if field not in fields:
            return default
        try:
            found = float(str(fields[field]))
        except ValueError:
            found = -1.0
        if not 0 < found <= limit:
            self._wrong((name, field), f"is no number from 1 to {limit:g}", f"write one, such as {default:g}")
            return default
        return found

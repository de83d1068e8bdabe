"""Tasks as a person gives them on the command line, or in a file, made into what the API takes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from uuid import uuid4

from opsteward.cli.client import CallFailed, Client
from opsteward.cli.failures import Failure
from opsteward.cli.input_files import parsed, read_objects, read_text
from opsteward.client import calls
from opsteward.client.types.tasks import SubmittedTasks
from opsteward.core.json_types import Json, JsonObject

#: Bytes of one request's tasks: half of what an instance takes unless it is set otherwise.
_MAX_BYTES = 8_000_000
_PATIENCE = 60.0  # seconds in which an instance that is busy is asked again
_PAUSE = 0.5

Task = JsonObject


def parameters(given: Sequence[str]) -> Task:
    """All parts together, a later one wins. Raises Failure."""
    found: Task = {}
    for part in given:
        if part.startswith("@"):
            found |= _object(read_text(Path(part[1:])), part)
        elif part.lstrip().startswith("{"):
            found |= _object(part, "--params")
        else:
            key, equals, value = part.partition("=")
            if not (key and equals):
                raise Failure(f"--params: {part!r} is neither JSON, @FILE nor key=value; write it as one of them")
            found[key] = _value(value)
    return found


def _value(text: str) -> Json:
    try:
        found: Json = json.loads(text)
    except ValueError:
        return text
    return found


def _object(text: str, where: str) -> Task:
    value = parsed(text, where)
    if not isinstance(value, dict):
        raise Failure(f'{where}: is no JSON object; write one such as {{"seconds": 2}}')
    return value


def tasks_of(file: Path) -> list[Task]:
    """The tasks of a JSON array, or of NDJSON. Raises Failure that names each that is none."""
    found = [task for _, task in read_objects(file)]
    if not found:
        raise Failure(f"{file}: holds no task; write one")
    return found


def submit_parts(client: Client, tasks: Sequence[Task], *, part: int, key: str | None) -> dict[str, object]:
    """Submit all, in requests of at most `part` tasks; gives what the API gives, added up, ids in the file's order.

    What is refused stops it there; what went in before stays, and is said with the key under which to go on.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    key = key or uuid4().hex
    order = range(len(tasks)) if _fits(tasks, part) else _needed_first(tasks)
    known: dict[str, str] = {}
    ids: dict[int, str] = {}
    submitted = deduplicated = 0
    columns = (TextColumn("submitted"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        shown = bar.add_task("", total=len(tasks))
        for count, numbers in enumerate(_parts(tasks, order, part)):
            given = [_with_known(tasks[number], known) for number in numbers]
            try:
                answer = _sent(client, given, key=f"{key}-{count}")
            except CallFailed as failed:
                if ids:
                    failed.problem["remedy"] = (
                        f"{len(ids)} of {len(tasks)} are submitted; mend the rest and repeat with --key {key} "
                        f"--part {part}"
                    )
                raise
            for number, task_id in zip(numbers, answer["ids"], strict=True):
                ids[number] = task_id
                if (ref := tasks[number].get("ref")) is not None:
                    known[str(ref)] = task_id
            submitted += answer["submitted"]
            deduplicated += answer["deduplicated"]
            bar.advance(shown, len(numbers))
    in_order = [ids[number] for number in range(len(tasks))]
    return {"submitted": submitted, "deduplicated": deduplicated, "key": key, "ids": in_order}


def _sent(client: Client, tasks: Sequence[Task], *, key: str) -> SubmittedTasks:
    """A part that was refused for the moment only is sent again; its key makes that harmless. Raises CallFailed."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return client.send(calls.create_tasks(tasks, idempotency_key=key))
        except CallFailed as failed:
            if failed.status not in (429, 503) or time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE)


def _fits(tasks: Sequence[Task], part: int) -> bool:
    return len(tasks) <= part and sum(len(json.dumps(task)) for task in tasks) <= _MAX_BYTES


def _parts(tasks: Sequence[Task], order: Sequence[int], most: int) -> Iterator[list[int]]:
    numbers: list[int] = []
    size = 0
    for number in order:
        length = len(json.dumps(tasks[number]))
        if numbers and (len(numbers) >= most or size + length > _MAX_BYTES):
            yield numbers
            numbers, size = [], 0
        numbers.append(number)
        size += length
    yield numbers


def _needed_first(tasks: Sequence[Task]) -> list[int]:
    """An order in which each task comes after those of the file that it depends on."""
    number_of = {str(task["ref"]): number for number, task in enumerate(tasks) if task.get("ref") is not None}
    before = {number: [number_of[ref] for ref in _refs(task) if ref in number_of] for number, task in enumerate(tasks)}
    try:
        return list(TopologicalSorter(before).static_order())
    except CycleError as error:
        circle = " -> ".join(str(tasks[number].get("ref")) for number in reversed(error.args[1][:10]))
        raise Failure(f"dependencies go in a circle: {circle}; take one of them out") from None


def _refs(task: Task) -> list[str]:
    dependencies = task.get("dependencies")
    return [str(one) for one in dependencies] if isinstance(dependencies, list) else []


def _with_known(task: Task, known: dict[str, str]) -> Task:
    """Names of tasks that went in with an earlier request become their ids."""
    if not known or not _refs(task):
        return task
    needed: list[Json] = [known.get(ref, ref) for ref in _refs(task)]
    return {**task, "dependencies": needed}


def rows_of_schema(schema: JsonObject) -> list[dict[str, object]]:
    """A JSON Schema of parameters as rows of a table."""
    required, fields = schema.get("required"), schema.get("properties")
    needed = required if isinstance(required, list) else []
    return [
        {
            "parameter": name,
            "type": field.get("format") or field.get("type") or " or ".join(_types(field)),
            "required": "yes" if name in needed else "",
            "default": "" if name in needed else json.dumps(field.get("default")),
            "description": field.get("description", ""),
        }
        for name, field in (fields.items() if isinstance(fields, dict) else ())
        if isinstance(field, dict)
    ]


def _types(field: JsonObject) -> list[str]:
    choices = field.get("anyOf")
    listed = [one for one in choices if isinstance(one, dict)] if isinstance(choices, list) else []
    return [str(one.get("type") or str(one.get("$ref", "")).rpartition("/")[2]) for one in listed]

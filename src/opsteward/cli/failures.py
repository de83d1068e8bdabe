"""What went wrong, in one line each on standard error, and the exit code that says so to programs."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typer.exceptions import TyperException

    from opsteward.cli.client import CallFailed

REFUSED, WRONG_INPUT, NO_INSTANCE, NOT_PERMITTED, INSTANCE_FAILED = 1, 2, 3, 4, 5
INTERRUPTED, PIPE_CLOSED = 130, 141
_SECRET = ("password", "secret", "token", "credential", "key")
_SHOWN = 80  # characters of a value that is said again


class Failure(Exception):
    """Something given on the command line or in a file can't be taken: each problem is a line of its own."""

    def __init__(self, *problems: str, code: int = WRONG_INPUT) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems
        self.code = code


def report(error: BaseException) -> int | None:
    """Say an expected failure on standard error; its exit code, or None for an unexpected one."""
    from opsteward.cli.client import CallFailed, NoInstance
    from opsteward.cli.show import plain
    from opsteward.core.errors import OpsError

    if isinstance(error, Failure):
        lines, code = list(error.problems), error.code
    elif isinstance(error, NoInstance):
        lines, code = [joined(f"no Opsteward at {error}", error.remedy)], NO_INSTANCE
    elif isinstance(error, CallFailed):
        lines, code = list(call_lines(error)), _code_of(error.status)
    elif isinstance(error, OpsError):
        lines = [joined(f"{p.field}: {p.problem}", p.remedy) for p in error.problems]
        lines, code = lines or [joined(error.detail, error.remedy)], REFUSED
    elif isinstance(error, OSError) and error.filename is not None:
        lines, code = [f"{error.filename}: {reason_of(error)}"], WRONG_INPUT
    else:
        return None
    sys.stdout.flush()
    for line in lines:
        sys.stderr.write(f"error: {plain(line)}\n")
    return code


def of_command_line(error: TyperException) -> int:
    """Say in one line what the parser of the command line refuses; its exit code."""
    from opsteward.cli.show import plain

    said = error.format_message()
    if said.startswith("Usage: "):  # a group without a command: its help
        sys.stderr.write(f"{said}\n")
        return WRONG_INPUT
    parameter = getattr(error, "param", None)
    hint = getattr(error, "param_hint", None) or (parameter.get_error_hint() if parameter is not None else "")
    name = str(hint).replace("'", "")
    if type(error).__name__ == "MissingParameter":
        said = f"{name}: is missing; give it"
    elif name:
        said = f"{name}: {in_our_words(str(error.message)).rstrip('.')}"
    context = getattr(error, "ctx", None)
    help_at = f"see '{context.command_path} --help'" if context is not None else "see 'opsteward --help'"
    sys.stderr.write(f"error: {plain(joined(said, help_at))}\n")
    return WRONG_INPUT


def joined(problem: str, remedy: str = "") -> str:
    """One sentence of a problem and its remedy."""
    return f"{problem.rstrip('.')}; {remedy}" if remedy else problem


def reason_of(error: OSError) -> str:
    """Why a file can't be had."""
    if isinstance(error, FileNotFoundError):
        return "is not there; correct the path"
    if isinstance(error, IsADirectoryError):
        return "is a folder; name a file"
    if isinstance(error, FileExistsError):
        return "is there already; name another file, or replace it with --force"
    if isinstance(error, PermissionError):
        return "this user may not do that there; change its rights, or take another path"
    return f"can't be used ({(error.strerror or 'no reason was given').lower()})"


def call_lines(failed: CallFailed) -> Iterator[str]:
    """A refused or failed call, a line for each problem."""
    problem = failed.problem
    remedy, errors = str(problem.get("remedy") or ""), problem.get("errors")
    fields = [one for one in errors if isinstance(one, dict)] if isinstance(errors, list) else []
    if failed.status == 401:
        yield from _not_signed_in(str(failed))
    elif failed.status >= 500 and failed.status != 503:
        found = problem.get("correlation_id")
        yield joined(
            f"the instance failed ({failed.status}): {failed}", f"look in its log for {found}" if found else ""
        )
    elif fields:
        yield from field_lines(fields, failed.sent)
        if remedy:
            yield remedy
    else:
        yield joined(str(failed), remedy)


def field_lines(fields: Sequence[Mapping[str, object]], sent: object = None) -> Iterator[str]:
    """A line for each field: where, which, the value that was sent unless it may be a secret, what to do."""
    for one in fields:
        field = str(one.get("field") or "")
        places = (f"{name} {one[name]}, " for name in ("line", "column") if one.get(name))
        value, said = _value(sent, field), str(one.get("problem", ""))
        if value and value not in said:
            said = f"{value} {said}"
        yield joined(f"{''.join(places)}{field}: {said}", str(one.get("remedy") or ""))


def in_our_words(problem: str) -> str:
    """What the parser of the command line says of a value, as one of our sentences."""
    return problem.partition(", unable to parse")[0].replace("Input should be", "must be")


def _value(sent: object, field: str) -> str:
    """What was sent in the field, if it is one short value that holds no secret."""
    if not field or any(word in field.lower() for word in _SECRET):
        return ""
    for part in field.split("."):
        if isinstance(sent, dict):
            sent = sent.get(part)
        elif isinstance(sent, list) and part.isascii() and part.isdigit() and int(part) < len(sent):
            sent = sent[int(part)]
        else:
            return ""
    if isinstance(sent, bool | int | float):
        return repr(sent)
    return repr(sent) if isinstance(sent, str) and len(sent) <= _SHOWN else ""


def _not_signed_in(said: str) -> Iterator[str]:
    from opsteward.client.connection import Address

    source = Address.of(None, None).token_source
    if source.startswith("none"):
        why = source.removeprefix("none: ")
        yield f"no token ({why}); set OPSTEWARD_TOKEN, or OPSTEWARD_HOME to the home of the instance"
    else:
        yield (
            f"the token of {source} is not taken: {said}; set OPSTEWARD_TOKEN to a valid one, or make one "
            "with 'opsteward tokens create' as somebody who is let in"
        )


def _code_of(status: int) -> int:
    if status in (401, 403):
        return NOT_PERMITTED
    return INSTANCE_FAILED if status >= 500 else REFUSED

"""Writes what the code knows best: parts of the reference pages and modules of the Python client.

`make docs` writes them, `--check` only compares.

A page in `docs/reference` is written by hand but for its marked parts:

    <!-- begin generated: settings -->
    ... replaced at each run ...
    <!-- end generated -->
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, get_args

import generate_client
import generate_work

PAGES = Path(__file__).parent / "reference"
PACKAGE = Path(__file__).parents[1] / "src" / "opsteward"
_CLASS = re.compile(r"^ *class (\w+)\(([^)]*)\)", re.MULTILINE)
_PART = re.compile(r"(<!-- begin generated: ([a-z-]+) -->\n).*?(<!-- end generated -->)", re.DOTALL)


def rendered(page: str) -> str:
    """A page with its marked parts written anew. Raises KeyError for a part that nobody writes."""
    return _PART.sub(lambda found: found[1] + PARTS[found[2]]().rstrip("\n") + "\n" + found[3], page)


def stale_pages() -> Iterator[tuple[Path, str]]:
    """Pages that are not as they should be, with their right text."""
    for path in sorted(PAGES.glob("*.md")):
        page = path.read_text(encoding="utf-8")
        if rendered(page) != page:
            yield path, rendered(page)


def stale_sources() -> Iterator[tuple[Path, str]]:
    """Modules that are written from other modules and are not as they should be, with their right text."""
    for name, text in generate_client.sources():
        path = generate_client.CLIENT / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            yield path, text


def main(arguments: list[str]) -> int:
    """Write the stale pages, or with `--check` only name them: exit code 1 then."""
    stale = [*stale_pages(), *stale_sources()]
    for path, text in stale:
        if "--check" not in arguments:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        print(f"{'stale' if '--check' in arguments else 'written'}: {path}")
    return 1 if stale and "--check" in arguments else 0


# ---------------------------------------------------------------- the parts


def settings() -> str:
    """Every setting with its default and bounds."""
    from opsteward.app.settings import GROUPS
    from opsteward.core.settings import variables

    found = {variable: (name, field) for group in GROUPS.values() for variable, name, field in variables(group)}
    rows = [
        (f"`{variable}`", _default(name, field), _bounds(field), field.description or "")
        for variable, (name, field) in found.items()
    ]
    return _table(("setting", "default", "may be", "meaning"), rows)


def _default(name: str, field: Any) -> str:
    if name == "home":
        return "`/var/lib/opsteward` for root, else the user's data folder"
    value = field.get_default(call_default_factory=True)
    return "not set" if value is None else "none" if value == [] else f"`{value}`"


def _bounds(field: Any) -> str:
    kind = field.annotation
    if isinstance(kind, UnionType):
        kind = next(one for one in get_args(kind) if one is not type(None))
    signs = {"gt": "over", "ge": "from", "lt": "under", "le": "to"}
    bounds = [
        f"{word} {getattr(m, sign):g}" for m in field.metadata for sign, word in signs.items() if hasattr(m, sign)
    ]
    names = {"SecretStr": "secret text", "str": "text", "Path": "path", "int": "whole number", "float": "number"}
    word = "list" if str(kind).startswith("list") else names.get(kind.__name__, kind.__name__)
    return " ".join([word, *bounds])


def import_fields() -> str:
    """Every field that a file of users may have, by its names."""
    from opsteward.directory.user_fields import USER_FIELDS

    def names(field: Any) -> str:
        weak = [f"({name})" for name in field.weak_aliases.split()]
        return ", ".join([*field.best_aliases.split(), *field.aliases.split(), *weak])

    rows = [
        (f"`{one.name}`", one.says, names(one), "yes" if one.exported else "no", f"`{one.ldif}`" if one.ldif else "")
        for one in USER_FIELDS
    ]
    return _table(("field", "meaning", "also known as", "in exports", "in LDIF exports"), rows)


def errors() -> str:
    """Every error class, by its code."""
    for module in _modules_with_errors():
        importlib.import_module(module)
    from opsteward.core.errors import OpsError, all_errors

    entries = []
    for cls in sorted(set(all_errors()) - {OpsError}, key=lambda cls: cls.code):
        again = "The same request may succeed later." if cls.retryable else "Repeating it unchanged does not help."
        entries.append(f"## {cls.code}\n\nStatus {cls.http_status}: {cls.title}. {_said(cls)} {again}\n")
    return "\n".join(entries)


@cache
def _modules_with_errors() -> list[str]:
    """Modules that declare a subclass of our errors, found without importing everything."""
    classes = [
        (found[1], set(re.findall(r"\w+", found[2])), path)
        for path in PACKAGE.rglob("*.py")
        for found in _CLASS.finditer(path.read_text(encoding="utf-8"))
    ]
    known = {"OpsError"}
    while added := {name for name, bases, _ in classes if bases & known} - known:
        known |= added
    declaring = {path for _, bases, path in classes if bases & known}
    return sorted(".".join(("opsteward", *path.relative_to(PACKAGE).with_suffix("").parts)) for path in declaring)


def actions() -> str:
    """Every action with its parameters; those that share them are told once."""
    entries = []
    told: dict[type, str] = {}
    for slug, offered in sorted(_registry().actions.items()):
        action = offered.action
        facts = [
            ("acts on", ", ".join(f"`{scheme}://`" for scheme in sorted(offered.schemes)) or "nothing registered"),
            ("risk", action.risk.value),
            ("asked for by hand", "runs at once" if action.risk.value == "low" else "waits for another operator"),
            ("can be undone", "yes" if action.undoable else "no"),
            ("longest execution", f"{action.timeout:g} s"),
        ]
        first = told.setdefault(action.params_model, slug)
        params = f"Its parameters are those of [{first}](#{first}).\n"
        if first == slug:
            params = _table(("parameter", "type", "default"), _params(action.params_model.model_json_schema()))
        entries.append(f"## {slug}\n\n{action.title}. {_said(type(action))}\n\n{_table(('', ''), facts)}\n{params}")
    return "\n".join(entries)


def _params(schema: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    required = schema.get("required", [])
    for name, field in schema["properties"].items():
        default = (
            "required" if name in required else "none" if field.get("default") is None else f"`{field['default']!r}`"
        )
        yield f"`{name}`", _type(field, schema.get("$defs", {})), default


def _type(field: Mapping[str, Any], parts: Mapping[str, Any]) -> str:
    if "anyOf" in field:
        return " or ".join(_type(one, parts) for one in field["anyOf"] if one.get("type") != "null")
    if "enum" in field:
        return "one of " + ", ".join(f"`{one}`" for one in field["enum"])
    if "$ref" in field:
        part = parts[field["$ref"].rpartition("/")[2]]
        return "{" + ", ".join(name for name in part["properties"]) + "}"
    if field.get("type") == "array":
        return f"list of {_type(field['items'], parts)}"
    words = {"integer": "whole number", "string": "instant" if field.get("format") == "date-time" else "text"}
    return str(words.get(field["type"], field["type"]))


def checks() -> str:
    """Every check."""
    rows = [
        (
            f"`{check.slug}`",
            check.domain,
            "yes" if check.health else "no",
            f"{check.timeout:g} s",
            ", ".join(f"`{scheme}`" for scheme in sorted(integration.schemes)),
            _said(type(check)),
        )
        for integration in _registry().integrations
        for check in integration.checks
    ]
    return _table(("check", "domain", "health", "at most", "endpoints", "says"), sorted(rows))


def postgresql_diagnosis() -> str:
    """Every check of the PostgreSQL diagnoser, by subject."""
    from opsteward.integrations.postgresql.diagnosis.catalogue import catalogue

    entries = catalogue()
    parts = []
    for subject in dict.fromkeys(entry.subject for entry in entries):
        rows = [
            (
                f"`{one.id}`",
                one.finds,
                f"{one.severity.value}, risk" if one.is_risk and one.severity != "low" else one.severity.value,
                one.cause,
                ", ".join(f"`{action}`" for action in one.remedy) or "none",
                one.advice,
            )
            for one in entries
            if one.subject == subject
        ]
        head = ("check", "finds", "severity", "cause", "remedy", "what to do")
        parts.append(f"### {subject.capitalize()}\n\n{_table(head, rows)}")
    return f"{len(entries)} checks.\n\n" + "\n".join(parts)


def postgresql_limits() -> str:
    """From where on the rules of the PostgreSQL diagnoser speak."""
    from opsteward.integrations.postgresql.diagnosis_limits import DiagnosisLimits

    fields = DiagnosisLimits.model_fields.items()
    rows = [(f"`{name}`", "none" if name == "ignore" else f"`{field.default:_}`") for name, field in fields]
    return _table(("limit", "default"), rows)


def system_settings() -> str:
    """What may stand in the `settings` of a registered system."""
    from opsteward.integrations.postgresql.config import PostgresSettings
    from opsteward.integrations.services.config import ServiceSettings
    from opsteward.integrations.supervisor.config import SupervisorSettings
    from opsteward.integrations.web.config import WebSettings

    rows = [("any", "`check_interval`", "by criticality")]
    models = (
        ("PostgreSQL", PostgresSettings),
        ("services", ServiceSettings),
        ("supervisord", SupervisorSettings),
        ("web", WebSettings),
    )
    for kind, model in models:
        for name, field in model.model_fields.items():
            value = '"200-399"' if name == "expect_status" else field.default
            shown = "see its page" if name == "diagnosis" else "all processes" if value is None else f"`{value}`"
            rows.append((kind, f"`{name}`", shown))
    return _table(("system", "setting", "default"), rows)


def roles() -> str:
    """Which role has which permission."""
    from opsteward.accounts.permissions import ALL, ROLES

    rows = [
        (f"`{permission}`", *("yes" if permission in granted else "" for granted in ROLES.values()))
        for permission in sorted(ALL)
    ]
    return _table(("permission", *ROLES), rows)


def routes() -> str:
    """Every route of the API with the permission that it needs."""
    from opsteward.api.app import ROUTES

    rows = []
    for module in ROUTES:
        for route in module.router.routes:
            needed = [d.call.permission for d in route.dependant.dependencies if hasattr(d.call, "permission")]
            needs = {"signed_in": "any credential", "": "no credential"}.get("".join(needed), f"`{''.join(needed)}`")
            told = route.summary or _first_line(route.endpoint)
            rows += [(f"`{method} {route.path}`", needs, told) for method in sorted(route.methods)]
    return _table(("route", "needs", "what it does"), rows)


def cli() -> str:
    """Every command with its arguments and options."""
    import typer

    from opsteward.cli.main import commands

    return "\n".join(_commands(typer.main.get_command(commands()), "opsteward"))


def _commands(command: Any, name: str) -> Iterator[str]:
    if hasattr(command, "commands"):
        for sub in command.commands.values():
            yield from _commands(sub, f"{name} {sub.name}")
        return
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option"]
    usage = " ".join([name, *(p.name.upper() for p in arguments), *(["[options]"] if options else [])])
    rows = [(f"`{p.name.upper()}`", "", p.help or "") for p in arguments]
    rows += [
        (", ".join(f"`{o}`" for o in (*p.opts, *p.secondary_opts)), _option_default(p), p.help or "") for p in options
    ]
    yield f"## {name}\n\n{' '.join((command.help or '').split())}\n\n    {usage}\n"
    if rows:
        yield _table(("", "default", ""), rows)


def _option_default(option: Any) -> str:
    if option.required:
        return "required"
    return "" if option.is_flag or option.default in (None, "") else f"`{option.default}`"


def severity() -> str:
    """Senders' words to our severities."""
    from opsteward.events.classification import load_rules

    rows = [
        (
            scale["name"],
            *(", ".join(str(word) for word in scale["maps"].get(ours, ())) for ours in ("high", "medium", "low")),
        )
        for scale in load_rules("severity.yaml")["scales"]
    ]
    return _table(("scale", "high", "medium", "low"), rows)


def decisions() -> str:
    """The decision table."""
    from opsteward.contracts.check import Severity
    from opsteward.events.classification import Category
    from opsteward.events.decision_table import decide, default_action

    rows = []
    for category in Category:
        usual, priority = default_action(category)
        for level in reversed(Severity):
            made = decide(event_type=category, severity=level)
            said = f"`{made.action}`", str(made.priority), f"`{usual}` {priority}", f"`{made.rule_id}`"
            rows.append((f"`{category}`", level.value, *said))
    return _table(("category", "severity", "decided", "priority", "category's default", "rule"), rows)


def finding_types() -> str:
    """The findings that a standing order may name."""
    from opsteward.events.standing_orders.document import FINDING_TYPES

    return ", ".join(f"`{one}`" for one in sorted(FINDING_TYPES)) + ".\n"


def lab_faults() -> str:
    """What can be broken in the lab."""
    from opsteward.lab.faults import FAULTS

    rows = [(f"`{name}`", k.area, k.system or "none", k.component or "", k.description) for name, k in FAULTS.items()]
    return _table(("fault", "area", "system", "part", "what is really wrong"), rows)


def lab_score() -> str:
    """The last run of `opsteward lab score` that was kept."""
    import json

    kept = Path(__file__).parents[1] / "evals" / "lab_score.json"
    if not kept.exists():
        return "No run was kept.\n"
    run = json.loads(kept.read_text(encoding="utf-8"))
    names = list(run["figures"])
    rows = [(name.replace("_", " "), str(run["figures"][name]), str(run["held_out"][name])) for name in names]
    by_kind = [tuple(str(value) for value in row.values()) for row in run["by_kind"]]
    return "\n".join(
        (
            f"On {run['machine']}.\n",
            _table(("figure", "all kinds", "held out"), rows),
            _table(tuple(run["by_kind"][0]), by_kind),
        )
    )


def changes() -> str:
    """Every type of change that the live feed tells."""
    from opsteward.core.changes import TYPES

    return _table(("type", "needs"), [(f"`{name}`", f"`{permission}`") for name, permission in TYPES.items()])


def commands() -> str:
    """What may be sent to the live feed."""
    from opsteward.api.live.commands import COMMANDS

    rows = [
        (f"`{name}`", f"`{known.permission}`", ", ".join(f"`{field}`" for field in known.model.model_fields))
        for name, known in COMMANDS.items()
    ]
    return _table(("action", "needs", "fields"), rows)


def sources() -> str:
    """The products whose bodies are known."""
    from opsteward.events.sources.catalogue import all_sources

    rows = [
        "| source | bodies of | also called | forms | how to point it here |",
        "| --- | --- | --- | --- | --- |",
    ]
    for mapping in all_sources().values():
        title = f"[{mapping.title}]({mapping.documentation})" if mapping.documentation else mapping.title
        aliases = ", ".join(f"`{alias}`" for alias in mapping.aliases)
        setup = mapping.setup.replace("|", "\\|").replace("<", "&lt;")
        rows.append(f"| `{mapping.slug}` | {title} | {aliases} | {len(mapping.shapes)} | {setup} |")
    return "\n".join(rows)


PARTS: dict[str, Callable[[], str]] = {
    "sources": sources,
    "settings": settings,
    "import-fields": import_fields,
    "errors": errors,
    "actions": actions,
    "checks": checks,
    "postgresql-diagnosis": postgresql_diagnosis,
    "postgresql-limits": postgresql_limits,
    "system-settings": system_settings,
    "roles": roles,
    "routes": routes,
    "cli": cli,
    "severity": severity,
    "work-types": generate_work.work_types,
    "decisions": decisions,
    "finding-types": finding_types,
    "lab-faults": lab_faults,
    "lab-score": lab_score,
    "changes": changes,
    "commands": commands,
}


# ---------------------------------------------------------------- Markdown


def _registry() -> Any:
    from opsteward.app.registry import build_registry
    from opsteward.integrations.apprise.settings import NotifySettings

    return build_registry(NotifySettings())


def _said(thing: Any) -> str:
    """A docstring in one line, without what it says of arguments."""
    return " ".join((inspect.getdoc(thing) or "").split())


def _first_line(thing: Any) -> str:
    return (inspect.getdoc(thing) or "").partition("\n")[0]


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What a person reads in the console is marked, and every catalogue has it."""

from __future__ import annotations

import functools
import importlib.util
import re
import sys
from collections import Counter
from types import ModuleType
from typing import get_args

import pytest
from source_tree import ROOT

from opsteward.console import catalogues, vocabulary
from opsteward.console.languages import speak
from opsteward.console.rendering import templates
from opsteward.contracts.action import Risk
from opsteward.contracts.check import CheckStatus
from opsteward.core.errors import OpsError
from opsteward.crew.types import Complexity, Strategy
from opsteward.directory.types import UserStatus
from opsteward.events.classification import Category
from opsteward.provisioning.sync.types import Policy, Side, SyncType
from opsteward.systems.early_warning.types import Urgency
from opsteward.systems.types import CRITICALITIES, TYPES
from opsteward.troubleshooting.types import PHASES

OTHERS = [language for language in catalogues.LANGUAGES if language != catalogues.ENGLISH]
_PLACEHOLDER = re.compile(r"%\(\w+\)s|%%")
_TAG = re.compile(r"<[^>]*>|&\w+;")
_EDGE = re.compile(r"^\s|\s$")
#: Names of protocols and of products, which are the same in every language.
_SAME = {"api", "ldap", "scim", "webhook"}


@functools.cache
def tool() -> ModuleType:
    """`tools/catalogues`, loaded from its place."""
    spec = importlib.util.spec_from_file_location("catalogue_tool", ROOT / "tools" / "catalogues" / "__main__.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def entries(language: str) -> list[catalogues.Entry]:
    return list(catalogues.read_entries(catalogues.catalogue_file(language).read_text(encoding="utf-8")))


def test_every_word_that_a_person_reads_is_marked() -> None:
    found = "\n".join(map(str, tool().unmarked()))
    assert not found, f"""these are read and not marked:
{found}
In a template write {{{{ _("words") }}}} or {{{{ _("of %(name)s", name=x) }}}}; with a number
ngettext("%(num)s thing", "%(num)s things", number). In Python the same, from opsteward.console.languages; in a constant
N_("words"), and _() where it is shown. In a script saying("words").
Then run .venv/bin/python tools/catalogues, and translate what is empty in
src/opsteward/console/locales/*/LC_MESSAGES/console.po. What is typed, or is the same in every language, is named in
tools/catalogues/__main__.py."""


@pytest.mark.parametrize("language", OTHERS)
def test_catalogues_have_all_messages_and_no_other(language: str) -> None:
    there = catalogues.catalogue_file(language).read_text(encoding="utf-8")
    assert there == tool().written(language), "run .venv/bin/python tools/catalogues, and translate what is empty"


@pytest.mark.parametrize("language", OTHERS)
def test_every_message_is_translated_with_the_same_places_and_tags(language: str) -> None:
    for one in entries(language):
        assert all(one.forms), f"no translation into {language!r}: {one.english[0]!r}"
        for form in one.forms if one.english[0] else ():
            for what in (_PLACEHOLDER, _TAG, _EDGE):
                wanted = [Counter(what.findall(english)) for english in one.english]
                assert Counter(what.findall(form)) in wanted, f"{form!r} has not what {one.english[-1]!r} has"


@pytest.mark.parametrize("language", [*catalogues.LANGUAGES])
def test_every_template_can_be_compiled(language: str) -> None:
    names = templates(language).list_templates(["html"])
    assert len(names) > 50
    for name in names:
        templates(language).get_template(name)


def test_words_of_fixed_sets_are_said_in_german() -> None:
    sets = (Category, Risk, CheckStatus, Complexity, Strategy, UserStatus, PHASES, CRITICALITIES, TYPES,
            *(get_args(one) for one in (Policy, Side, SyncType, Urgency)))  # fmt: skip
    speak("de")
    try:
        words = {str(word) for each in sets for word in each} - _SAME
        assert {word for word in words if vocabulary.spoken(word) == word.replace("_", " ")} == {"normal"} & words
    finally:
        speak(catalogues.ENGLISH)


def test_titles_of_errors_are_messages() -> None:
    for file in (ROOT / "src").rglob("*.py"):
        if re.search(r"^    title = ", file.read_text(encoding="utf-8"), re.MULTILINE):
            importlib.import_module(".".join(file.relative_to(ROOT / "src").with_suffix("").parts))
    kinds = [OpsError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    ours = {kind.title for kind in kinds if kind.__module__.startswith("opsteward.")}
    assert ours - vocabulary.ERROR_TITLES == set(), "name them in console/vocabulary.py"


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("html", "<p>Nothing here</p>"),
        ("html", '<a title="Go there" href="/x">{{ _("There") }}</a>'),
        ("html", '<p>{{ "open" if x else _("closed") }}</p>'),
        ("html", '<p>{{ name or "nobody" }}</p>'),
        ("html", '{{ parts.empty("Nothing is here.") }}'),
        ("html", '{% call parts.folded("All of it") %}{% endcall %}'),
        ("html", '<p>{{ _("of %(name)s", name=name or "nobody") }}</p>'),
        ("python", 'Page(template="x.html", title="systems")'),
        ("python", 'Done(to="/", words=f"{name} is gone")'),
        ("python", 'WORDS = {"a": N_("added"), "b": "left"}'),
        ("python", 'def f() -> str:\n    return "Nobody waits"'),
        ("script", 'say(form, "Choose a file.");'),
        ("script", "say(form, `Sent ${part} of it`);"),
    ],
)
def test_unmarked_words_are_found(kind: str, text: str) -> None:
    assert list(getattr(tool(), f"_unmarked_{kind}")(text))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("html", '<p class="quiet {{ "good" if x else "bad" }}">{{ _("Nothing here") }} <code>opsteward up</code></p>'),
        ("html", '<input name="x" value="a b" placeholder="{{ _("a name") }}">{% if x == "Some words" %}'),
        ("html", '{{ icon("pause") }}{{ ngettext("%(num)s thing", "%(num)s things", number) }}: {{ number }} %'),
        ("python", '"""Says what is there."""\nPage(template="x.html", title=_("Systems"))'),
        ("python", 'raise Invalid.field("x", "is none", "use another one")'),
        ("script", 'document.querySelector("input, select"); say(saying("Choose a file."));'),
    ],
)  # fmt: skip
def test_what_nobody_reads_or_is_marked_is_left_alone(kind: str, text: str) -> None:
    assert not list(getattr(tool(), f"_unmarked_{kind}")(text))

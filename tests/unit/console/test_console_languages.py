"""Which language is answered in, and what a message becomes in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from jinja2 import TemplateAssertionError
from starlette.requests import Request

from opsteward.console import wording
from opsteward.console.catalogues import ENGLISH, Catalogue, read_entries
from opsteward.console.languages import COOKIE, _, language_of, ngettext, speak
from opsteward.console.rendering import templates
from opsteward.console.speaking import SpeakingEnvironment


@pytest.fixture(autouse=True)
def _english_again() -> Iterator[None]:
    yield
    speak(ENGLISH)


def asking(accepted: str = "", cookie: str = "") -> Request:
    headers = [(b"accept-language", accepted.encode()), (b"cookie", f"{COOKIE}={cookie}".encode())]
    return Request({"type": "http", "headers": headers})


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.5", "de"),
        ("en-GB,en;q=0.9,de;q=0.8", "en"),
        ("fr,de;q=0.3", "de"),
        ("fr,*;q=0.5", "en"),
        ("de;q=0,en;q=0.1", "en"),
        ("de;q=much", "en"),
        (";;,=;q=", "en"),
        ("DE", "de"),
    ],
)
def test_the_browsers_wish_counts(accepted: str, language: str) -> None:
    assert language_of(asking(accepted)) == language


def test_the_readers_choice_counts_before_it() -> None:
    assert language_of(asking("de", cookie="en")) == "en"
    assert language_of(asking("en", cookie="de")) == "de"
    assert language_of(asking("de", cookie="../../etc")) == "de"


def test_words_numbers_and_times_are_the_readers() -> None:
    assert (_("Systems"), wording.ago_in_words(200), wording.short_count(3_400_000)) == (
        "Systems",
        "3 min ago",
        "3.4 M",
    )
    speak("de")
    assert (_("Systems"), wording.ago_in_words(200)) == ("Systeme", "vor 3 min")
    assert (wording.short_count(3_400_000), wording.duration_in_words(12)) == ("3,4 Mio.", "12,0 s")
    assert wording.HEALTH["down"].word == "ausgefallen"
    assert [ngettext("%(num)s task runs", "%(num)s tasks run", n) for n in (0, 1, 2)] == [
        "0 Aufgaben laufen",
        "1 Aufgabe läuft",
        "2 Aufgaben laufen",
    ]
    assert _("what nobody translated, %(name)s", name="x") == "what nobody translated, x"


def page(text: str, **values: object) -> tuple[str, str]:
    """A template's text in English and in German."""
    shown = []
    for language in ("en", "de"):
        speak(language)
        shown.append(templates(language).from_string(text).render(**values))
    return shown[0], shown[1]


def test_a_message_of_a_template_is_its_words_and_what_is_given_stays_text() -> None:
    assert page('<p>{{ _("Systems") }}</p>') == ("<p>Systems</p>", "<p>Systeme</p>")
    assert page('{{ _("Remove %(name)s", name=name) }}', name="<i>") == ("Remove &lt;i&gt;", "&lt;i&gt; entfernen")
    assert page('{{ _("%(percent)s %% sure", percent=9) }}') == ("9 % sure", "9 % sicher")
    assert page('{{ pgettext("person", "To") }}, {{ _("To") }}') == ("To, To", "An, Bis")
    assert page('{{ ngettext("%(num)s day", "%(num)s days", n) }}', n=1) == ("1 day", "1 Tag")
    assert page('{{ ngettext("%(num)s day", "%(num)s days", n, num=n|count) }}', n=20_000) == (
        "20 k days",
        "20 Tsd. Tage",
    )
    assert page('{{ (_("by %(name)s", name=name) if name else _("never"))|upper }}', name="<b>")[0] == "BY &LT;B&GT;"
    assert page("{% for _ in [1] %}{{ _('Systems') }}{% endfor %}")[1] == "Systeme"


def test_english_costs_what_the_words_themselves_would() -> None:
    english = templates("en")
    marked, plain = '<b>{{ _("Remove %(name)s", name=one.name) }}</b>', "<b>Remove {{ one.name }}</b>"
    assert english.compile(marked, raw=True) == english.compile(plain, raw=True)


@pytest.mark.parametrize(
    "text", ["{{ _(name) }}", '{{ _("a", "b") }}', '{{ ngettext("one", "many") }}', '{{ _("%(name)s", other=1) }}']
)
def test_what_is_no_message_is_refused_when_it_is_compiled(text: str) -> None:
    with pytest.raises(TemplateAssertionError):
        templates("en").from_string(text)


def test_a_catalogue_with_three_forms_takes_the_one_of_the_number() -> None:
    text = r"""
    msgid "%(num)s file"
    msgid_plural "%(num)s files"
    msgstr[0] "%(num)s plik"
    msgstr[1] "%(num)s pliki"
    msgstr[2] "%(num)s plików"

    # a remark
    #: a.html
    msgctxt "page"
    msgid "a \"quoted\""
    " word\n"
    msgstr "w"
    """
    entries = {one.key: one.forms for one in read_entries(text)}
    assert entries["page", 'a "quoted" word\n'] == ("w",)
    polish = Catalogue("pl", entries, lambda n: 0 if n == 1 else 1 if n % 10 in (2, 3, 4) else 2)
    environment = SpeakingEnvironment(polish, autoescape=True)
    shown = environment.from_string('{{ ngettext("%(num)s file", "%(num)s files", n) }}')
    assert [shown.render(n=n) for n in (1, 3, 5)] == ["1 plik", "3 pliki", "5 plików"]


def test_a_broken_catalogue_names_the_line() -> None:
    with pytest.raises(ValueError, match="line 2 is no line of a catalogue"):
        list(read_entries('msgid "a"\nmsgstr a\n'))

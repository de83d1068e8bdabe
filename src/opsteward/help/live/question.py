"""What a question asks, as far as words say it: stems, period, numbers, and whether it wants to learn how."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from opsteward.help.languages import stem
from opsteward.help.live.bounds import comparison_in, denial_in, exception_in
from opsteward.help.live.glossary import in_english
from opsteward.help.live.periods import Period, ahead_of, period_of
from opsteward.help.live.wording import in_full, meanings
from opsteward.help.words import plain_words

_HOW_TO = re.compile(
    r"^\W*(?:please\s+)?(?:(?:can|could)\s+you\s+)?(?:(?:explain|tell me|show me)\s+)?"
    r"(?:how\s+(?:do|does|can|could|should|would|to|is it possible)\b"
    r"|what\s+(?:does|do)\s+.{1,60}\s+mean|what(?:\s+is|'s|\s+are)\s+(?:a|an)\s+|what\s+is\s+the\s+(?:difference|purpose|meaning|syntax|format|default)"
    r"|what\s+(?:to\b|(?:should|must|shall)\b(?!\s+i\s+(?:sign|approve|decide)))|what\s+do\s+(?:i|we|you)\s+do\b|(?:which\s+)?steps\b|when\s+should\b|who\s+may\s+(?!i\b|use\b)"
    r"|(?:why|when|how|which|what|who)?\s*(?:\w+\s+){0,2}(?:do|does|must|should|can|may|when\s+is)\s+(?:an?|every|each)\s"
    r"|why\s+(?:do|does)\s+\w+\s+need\b|who\s+decides\b"
    r"|explain\b|.{0,80}\bby\s+default\b|can\s+(?:two|several|one|a|an|some)\b"
    r"|where\s+(?:do|can|should)\s+i\b|can\s+i\b|is\s+it\s+possible|which\s+(?:command|setting|option)s?\b"
    r"|which\s+(?:permission|role)s?\s+(?:do\s+i|is\s+needed|lets|can)"
    r"|why\s+(?:does|do|should)\s+(?:opsteward|one|i|you)\b"
    r"|what\s+are\s+(?:standing\s+orders|\w+)\W*$|.{0,80}\b(?:the|an?)\s+\w+\s+role\b"
    r"|how\s+(?:is|are)\s+.{1,80}\s(?:\w+ed|made|found|kept|sent|built|set)\b"
    r"|(?:add|allow|back\s+up|change|configure|connect|create|delete|disable|enable|export|forward|grant|import|install"
    r"|integrate|invite|limit|migrate|move|notify|pause|register|remove|rename|replace|reset|restart|restore|revoke"
    r"|rotate|run|send|set|start|stop|test|turn|uninstall|update|upgrade|use|verify|write)\s+(?!by\b)\w+"
    r"|what\s+happens\b|(?:what|which)\s+(?:kinds?|types?|sorts?|formats?)\s+of\b|does\s+opsteward\b"
    r"|what\s+(?:do|does)\s+.{1,80}\s(?:do|need(?!\s+to\s+(?:approve|decide|sign|look|do)\b)|require|support|use|store|contain|accept|return|show|look)\b"
    r"|(?:when|how\s+often)\s+(?:are|is|do|does|will)\s+\D{1,60}\s(?:retried|deleted|removed|sent|escalated|expired?|rotated)\b"
    r"|(?:are|is|which)\s+.{1,80}\s(?:encrypted|supported|allowed(?!\s+(?:to|on|in|into)\b)|possible|stored|configurable|documented)\b"
    r"|where\s+(?:is|are)\s+.{1,80}\s(?:stored|kept|configured|documented|set|defined|logged)\b)",
    re.IGNORECASE,
)
#: Where something of a thing is, as its runbook.
_WHERE = re.compile(r"^\W*where\s+(?:can|do|could|should)\s+(?:i|we)\s+(?:find|see|get|read)\b", re.IGNORECASE)
_OF_ONE = re.compile(r"^\W*what\s+(?:do|does|would)\b", re.IGNORECASE)
#: Questions for what was seen in the past.
_PAST = re.compile(
    r"\b(?:seen|had|happen(?:ed)?|occurr?(?:ed)?|this|it)\b.*\bbefore\b|\bsimilar\s+(?:incident|problem|case|outage)"
    r"|\bpast\s+incident|\blast\s+time\b|\bever\s+(?:seen|had)\b|\bin\s+the\s+past\b(?!\s+(?:\d|an?\b|few|couple|one|two|three|four|five|six|seven|ten|twelve|hour|day|week|month|night))",
    re.IGNORECASE,
)
#: What is written down somewhere, and no state of anything.
_WRITTEN = (
    "expiry",
    "policy",
    "policies",
    "procedure",
    "guideline",
    "handbook",
    "documentation",
    "instructions",
    "checklist",
    "playbook",
)
_NUMBER = re.compile(r"(?:#|\bincident\s*(?:number|no\.?|nr\.?)?\s*#?\s*|\binc[\s-]?)(\d{1,9})\b", re.IGNORECASE)
_ID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})?\b")
_ID_LIMIT = 5  # each is looked up
_NOT = ("not", "never", "no", "nobody", "without", "isnt", "arent", "werent", "wasnt", "hasnt", "havent", "cannot")
_LETTERS = re.compile(r"[a-z]+", re.IGNORECASE)
_SLIPS_LIMIT = 12  # words that are looked at for slips of the keys


@dataclass(frozen=True)
class Question:
    """A question with what was read out of its words. Entities are found in it later: see `entities`."""

    text: str
    now: datetime
    words: tuple[str, ...] = field(default=())
    #: The text without slips of the keys, as far as they were seen; names may have been taken for some.
    meant: str = ""
    #: What is meant beside what is said: see `wording`.
    beside: tuple[str, ...] = ()

    @classmethod
    def of(cls, text: str, now: datetime, corrected: Callable[[str], str | None] = lambda _: None) -> Question:
        """`now` is the asker's, with a zone; days begin in it. `corrected` gives the word that is meant by another."""
        text, left = in_full(in_english(text.replace("’", "'"))), _SLIPS_LIMIT

        def mend(found: re.Match[str]) -> str:
            nonlocal left
            a_name = found[0].istitle() and text[: found.start()].strip(" \"'(") != ""  # a capital in the sentence
            better = corrected(found[0].lower()) if left > 0 and not a_name else None
            left -= better is not None
            return better or found[0]

        meant, words = _LETTERS.sub(mend, text), tuple(plain_words(text))
        beside = dict.fromkeys([*meanings(words), *meanings(plain_words(meant))])
        return cls(text, now, words, meant, tuple(beside))

    @cached_property
    def stems(self) -> frozenset[str]:
        """All words by their stems, stop words too; compounds whole and in parts; as they are and as they are meant."""
        words = {*self.words, *plain_words(self.meant), *(word for one in self.beside for word in one.split())}
        return frozenset(stem(part) for word in words for part in (word, *re.split(r"[_.:/'’-]", word)) if part)

    @cached_property
    def _padded(self) -> tuple[str, ...]:
        return (
            f" {' '.join(self.words)} ",
            f" {' '.join(plain_words(self.meant))} ",
            "".join(f" {one} ;" for one in self.beside),
        )

    def has(self, *words: str) -> bool:
        """Whether one of these words, in whatever form, is in it; a phrase must stand there as it is."""
        return any(
            any(f" {word} " in padded for padded in self._padded) if " " in word else stem(word) in self.stems
            for word in words
        )

    def says(self, *words: str) -> bool:
        """Whether one of these words is in it in just this form."""
        return any(f" {word} " in padded for word in words for padded in self._padded)

    @property
    def mine(self) -> bool:
        """Whether it is about who asks."""
        return self.says("my", "mine", "to me", "for me", "by me", "with me", "on me", "i", "am i")

    @property
    def negated(self) -> bool:
        """Whether what it asks for has not happened."""
        return self.says("not", "yet", "never", "without") or any(word.endswith("n't") for word in self.words)

    @cached_property
    def how_to(self) -> bool:
        """Whether it asks how something is done or what a word means: that is for documents."""
        texts, written = (self.text, self.meant), self.has(*_WRITTEN) and not self.who
        return written or any(_HOW_TO.match(text) or _PAST.search(text) for text in texts)

    @property
    def asks_where(self) -> bool:
        """Whether it asks where something is found: that is for documents unless it is of a thing of this instance."""
        return bool(_WHERE.match(self.meant))

    @property
    def asks_of_one(self) -> bool:
        """Whether it asks what something does or needs, which may be a thing of this instance."""
        return bool(_OF_ONE.match(self.meant))

    @cached_property
    def number(self) -> int | None:
        """The number of an incident."""
        found = _NUMBER.search(self.text)
        return int(found[1]) if found else None

    @cached_property
    def ids(self) -> list[str]:
        """Ids, whole or the end that lists show."""
        found = [one for one in _ID.findall(self.text.lower()) if any(char.isdigit() for char in one)]
        return found[:_ID_LIMIT]

    @cached_property
    def period(self) -> Period | None:
        """The stretch of time that it names."""
        return period_of(self.text, self.now) or period_of(self.meant, self.now)

    @cached_property
    def ahead(self) -> Period | None:
        """The stretch of time before us that it names."""
        return ahead_of(self.text, self.now) or ahead_of(self.meant, self.now)

    @cached_property
    def denial(self) -> str:
        """The word by which it denies something; empty where it does not."""
        return denial_in(self.words)

    @cached_property
    def exception(self) -> str:
        """What it leaves out, as it says so."""
        return exception_in(self.text)

    @cached_property
    def comparison(self) -> str:
        """The amount that it compares with, as it says so; ages are periods."""
        return comparison_in(self.text, of_time=self.period is not None)

    def denies(self, *words: str) -> bool:
        """Whether one of these words, in whatever form, stands behind a `not` or the like, with two words between at
        most."""
        wanted = {stem(word) for word in words}
        for said in (self.words, plain_words(self.meant)):
            for place, word in enumerate(said):
                denied = word in _NOT or word.endswith("n't")
                if denied and wanted & {stem(other) for other in said[place + 1 : place + 4]}:
                    return True
        return False

    @property
    def counts(self) -> bool:
        """Whether a number is asked for."""
        return self.has("how many", "count", "number of", "how much")

    @property
    def who(self) -> bool:
        """Whether a person is asked for."""
        return self.has("who", "whom", "whose", "by whom")

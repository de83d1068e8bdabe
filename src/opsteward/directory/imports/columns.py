"""Which column is which field: the sender's mapping first, then names that HR systems and directories use."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeVar

from opsteward.core.errors import Invalid
from opsteward.directory.imports.account_status import Said, may_speak, standing_kind
from opsteward.directory.imports.records import Note, Unreadable, shown
from opsteward.directory.user_fields import FIELD_NAMES, NOTHING, PROFILE, USER_FIELDS

#: Fields that a column of dates may be mapped to, to say how its dates are written: whether the day stands first.
EXPIRES_ORDERS = {"expires_at:dmy": True, "expires_at:mdy": False}
#: From here on an alias is a plain one; before it stand those that go before any other.
_PLAIN = 100
#: From here on an alias is a weak one: it gives way to a better one without a question.
WEAK = 1000
#: Characters: a longer name is remembered nowhere, and no part of it is looked for.
_NAME_OF_USE = 200
#: Names of directories that say nothing about a user, or that nobody needs a note of.
_LDIF_SILENT = ("objectclass", "version", "changetype", "control", "userpassword", "memberof", "distinguishedname")
_BETWEEN = re.compile(r"[\s_\-./()?:*,'’\"\[\]]+")
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ł": "l", "ø": "o", "æ": "ae", "ı": "i"})
#: Fields without which there is no user, and the end, which must not be missed: a column that gives way to another
#: counts where that one is blank.
_NEEDED = frozenset(("username", "email", "full_name", "expires_at"))
#: Parts of a record that say nothing by their own name.
SECTIONS = frozenset((
    "human", "person", "personalinfo", "basicinfo", "userinfo", "identity", "credentials", "account", "work",
    "workinfo", "internal", "employment", "employmentinfo", "job", "jobinfo", "contact", "contactinfo", "general",
    "details", "user", "employee", "core", "lifecycle", "profile", "attributes", "emails", "organizations",
))  # fmt: skip
_LEVELS = re.compile(r"[./\[\]]+|__")
_MANAGER_NUMBER = re.compile(
    r"(?:direct|line|reporting)?(?:manager|supervisor|vorgesetzte[rn]?|fuehrungskraft|superieur(?:hierarchique)?|jefe"
    r"|gestor|przelozony|przelozonego|reportsto|responsable)s?"
    r"(?:employee|worker|person|personnel|personal|mitarbeiter|staff|associate|user)?s?"
    r"(?:id|nr|no|num|number|nummer|code|matricule|matricula|uuid|guid|eid|pernr)"
)
#: `Employee Email Address`, `User Department`: the field behind the word.
_OF_A_PERSON = re.compile(r"(?:employee|user|worker|person|staff|member|associate|mitarbeiter|benutzer)(\w+)")
_OF_PEOPLE = frozenset(("email", "full_name", "first_name", "last_name", "department", "expires_at", "manager"))
#: A name that is one of an account, and an id that is none.
_ACCOUNT_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]*").fullmatch
_UUID_OR_LONG = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}|(?=.*\d)[0-9A-Za-z_-]{20,}").fullmatch
_NAMES = ("full_name", "first_name", "last_name", "last_name_first")
#: Letters of other scripts that look like Latin ones.
_LOOKALIKES = str.maketrans("аеорсухіјѕԁһкмнтвοανικρτυχε", "aeopcyxijsdhkmhtboavikptuxe")


def plain_name(name: str) -> str:
    """A column's name without case, accents, spaces, signs and remarks."""
    return _plain(name) if len(name) <= _NAME_OF_USE else _plain.__wrapped__(name)


@lru_cache(maxsize=10_000)
def _plain(name: str) -> str:
    text = _without_remark(unicodedata.normalize("NFC", name).strip().strip("\ufeff")).casefold().translate(_UMLAUTS)
    text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return _BETWEEN.sub("", text)


def _without_remark(name: str) -> str:
    """Without what Google Workspace puts behind the names of its columns, in brackets. A name may be a megabyte long
    and made of brackets, so that it is read once."""
    text = name.rstrip()
    if not text.endswith("]"):
        return name
    start = text.find("[", text.rfind("]", 0, -1) + 1)
    return text[:start].rstrip() if start >= 0 else name


def _is_opaque(text: str) -> bool:
    return "|" in text or ":" in text or _UUID_OR_LONG(text) is not None


class Alias(NamedTuple):
    """The field that a name means, and how well: less is better."""

    field: str
    rank: int


def _aliases() -> dict[str, Alias]:
    known: dict[str, Alias] = {}
    for field in USER_FIELDS:
        names = (field.name, *field.aliases.split())
        known |= {plain_name(name): Alias(field.name, rank) for rank, name in enumerate(field.best_aliases.split())}
        known |= {plain_name(name): Alias(field.name, _PLAIN + rank) for rank, name in enumerate(names)}
        weak = enumerate(field.weak_aliases.split())
        known |= {plain_name(name): Alias(field.name, WEAK + rank) for rank, name in weak}
    return known


ALIASES = _aliases()
LDIF_ALIASES: dict[str, Alias] = {
    **{name: alias for name, alias in ALIASES.items() if name not in ("userid", "ou")},
    **{name: ALIASES.get(name, Alias(field.name, 0)) for field in USER_FIELDS if (name := field.ldif.lower())},
    **dict.fromkeys(_LDIF_SILENT, Alias(NOTHING, 0)),
}


#: Names of columns that mean something else where a better one is there for their field.
_SECOND = {"userid": Alias("number", WEAK), "personid": Alias("number", WEAK),
           "userprincipalname": Alias("email", 2 * WEAK),
           "upn": Alias("email", 2 * WEAK)}  # fmt: skip


def _by_form(name: str, plain: str, aliases: Mapping[str, Alias]) -> Alias | None:
    """What a name means by how it is made: a manager's number, or one of a section (`work.department`)."""
    if len(name) > _NAME_OF_USE or standing_kind(plain) is not None:
        return None
    if _MANAGER_NUMBER.fullmatch(plain):
        return Alias("manager_id", WEAK)
    if (owned := _OF_A_PERSON.fullmatch(plain)) and (alias := aliases.get(owned[1])) and alias.field in _OF_PEOPLE:
        return alias._replace(rank=WEAK + alias.rank)
    parts = [part for part in _LEVELS.split(name) if part and not part.isdigit()]
    while len(parts) > 1 and plain_name(parts[0]) in SECTIONS:
        parts = parts[1:]
        if (alias := aliases.get(plain_name(".".join(parts)))) is not None:
            return alias._replace(rank=WEAK + alias.rank)
    return None


def known_columns(header: Sequence[str], mapping: Mapping[str, str]) -> int:
    """How many of these names mean something here."""
    return sum(means_something(name, mapping) for name in header)


def means_something(name: str, mapping: Mapping[str, str]) -> bool:
    """Whether a name is one of a field, or of what tells of the account's state."""
    plain = plain_name(name)
    return (
        name.strip() in mapping or plain in ALIASES or standing_kind(plain) is not None
        or _by_form(name, plain, ALIASES) is not None
    )  # fmt: skip


def check_mapping(mapping: Mapping[str, object]) -> dict[str, str]:
    """The sender's mapping of columns. Raises Invalid for one that names no field."""
    if len(mapping) > 500:
        raise Invalid.field("mapping", "names more than 500 columns", "name those that are needed")
    for column, field in mapping.items():
        known = isinstance(field, str) and (
            field in FIELD_NAMES or field in EXPIRES_ORDERS or field == NOTHING or field.startswith(PROFILE)
        )
        if not known or field == PROFILE:
            raise Invalid.field(
                f"mapping.{column[:100]}", f"{field!r:.60} is no field",
                f"use one of {', '.join(FIELD_NAMES)}, profile_data.<name>, or - to leave it out",
            )  # fmt: skip
    return {column: str(field) for column, field in mapping.items()}


#: What a format has for the value of one column.
Cell = TypeVar("Cell")


class Columns:
    """The columns of one file, or of the entries of one shape.

    `tolerant`: of two columns that mean one field the better known counts, with a note of the file. Else raises
    Unreadable; always where the sender mapped two to one field. `address_as_username`: where no column has usernames.
    """

    def __init__(
        self,
        header: Sequence[str],
        mapping: Mapping[str, str],
        note: Note,
        *,
        aliases: Mapping[str, Alias] = ALIASES,
        ignored: frozenset[str] = frozenset(),
        tolerant: bool = False,
        address_as_username: bool = False,
    ) -> None:
        self.width = len(header)
        self._header = [name.strip().strip("\ufeff") for name in header]
        self._note = note
        self._aliases = aliases
        self._tolerant = tolerant
        wanted = {name.strip(): "expires_at" if field in EXPIRES_ORDERS else field for name, field in mapping.items()}
        self._mapped = set(wanted.values())
        self._profile: list[tuple[int, str]] = []
        self._standing: list[tuple[int, str, str]] = []
        #: where a needed field is read in rows that have it blank, the best first
        self._instead: list[tuple[int, str]] = []
        taken: dict[str, tuple[int, int]] = {}
        for place, name in enumerate(self._header):
            if name in ignored:
                continue
            if name != header[place] and header[place].strip("\ufeff") != name:
                note(f"the column {shown(header[place])!r} has spaces around its name")
            alias = Alias(wanted[name], -1) if name in wanted else self._known(name, place)
            if alias.field == NOTHING:
                continue
            if alias.field.startswith(PROFILE):
                self._profile.append((place, alias.field.removeprefix(PROFILE)))
            else:
                self._take(alias, place, taken)
        self._places = [(place, field) for field, (place, _) in taken.items()]
        #: the columns of accounts' names, and of ids that may be such names, in a file of addresses
        self._login: int | None = None
        self._id: int | None = None
        if address_as_username:
            self._borrow(taken)

    @property
    def least_width(self) -> int:
        """Cells that a row must have: the names of columns to the right of them are empty."""
        return next((at + 1 for at in range(self.width - 1, -1, -1) if self._header[at]), 0)

    def named(self, cells: Sequence[Cell]) -> dict[str, Cell | dict[str, Cell]]:
        """A row by its fields."""
        values: dict[str, Cell | dict[str, Cell]] = {field: cells[place] for place, field in self._places}
        for place, field in self._instead:
            if values.get(field) in ("", None) and (field != "email" or "@" in str(cells[place])):
                values[field] = cells[place]
        if self._login is not None and _ACCOUNT_NAME(str(cells[self._login])):
            values["username"] = cells[self._login]
        if self._id is not None and _is_opaque(str(cells[self._id])) and values.get("email"):
            values["username"] = values["email"]
            values.setdefault("number", cells[self._id])
        if self._profile:
            more = {name: cells[place] for place, name in self._profile if cells[place] != ""}
            values["profile_data." if "profile_data" in values else "profile_data"] = more
        return values

    def said(self, cells: Sequence[object]) -> Sequence[Said]:
        """What the row says of whether the account is in use, beside its status."""
        return [Said(name, kind, cells[place]) for place, name, kind in self._standing] if self._standing else ()

    def _take(self, alias: Alias, place: int, taken: dict[str, tuple[int, int]]) -> None:
        """Of two columns that mean one field the better known counts; the other may have a second meaning."""
        before = taken.get(alias.field)
        if before is None:
            taken[alias.field] = place, alias.rank
            return
        first, second = self._header[before[0]], self._header[place]
        ranks = alias.rank, before[1]
        if first == second and not self._tolerant:
            raise Unreadable(f"two columns are named {shown(first)!r}: rename one of them, or take it out")
        if alias.rank == -1 or not (self._tolerant or max(ranks) >= WEAK or min(ranks) < _PLAIN):
            raise Unreadable(
                f"the columns {shown(first)!r} and {shown(second)!r} both mean {alias.field}: map one of them"
            )
        better, other = (place, alias.rank), before
        if alias.rank >= before[1]:
            better, other = other, better
        taken[alias.field] = better
        left, counts = self._header[other[0]], self._header[better[0]]
        meaning = _SECOND.get(plain_name(left))
        if meaning is not None and meaning.field not in (alias.field, *self._mapped):
            self._take(meaning, other[0], taken)
        elif alias.field in _NEEDED and better[1] != -1:
            self._instead.append((other[0], alias.field))
            self._note(f"the column {shown(left)!r} counts where {shown(counts)!r} has no {alias.field}")
        else:
            self._note(f"the column {shown(left)!r} is left out: {shown(counts)!r} is the {alias.field}")

    def _borrow(self, taken: Mapping[str, tuple[int, int]]) -> None:
        """What a file has no column for that every user needs."""
        if "email" in taken and "username" in taken and plain_name(self._header[taken["username"][0]]) == "userid":
            self._id = taken["username"][0]
        if "email" in taken and "username" not in taken:
            self._places.append((taken["email"][0], "username"))
            others = [place for place, field in self._instead if field == "full_name"]
            self._login = next((place for place in others if plain_name(self._header[place]) == "name"), None)
            if self._login is not None:
                self._note("the column 'name' is taken as the username where it has small letters and no spaces")
            note = "no column holds usernames: the address is taken as the username; map another column if it is not"
            self._note(note)
        if "username" in taken and taken.keys().isdisjoint(_NAMES):
            self._places.append((taken["username"][0], "full_name"))
            self._note("no column holds names of people: the username is taken as the full name")

    def _known(self, name: str, place: int) -> Alias:
        nothing = Alias(NOTHING, 0)
        plain = plain_name(name)
        alias = self._aliases.get(plain) or _by_form(name, plain, self._aliases)
        if alias is not None:
            if alias.field not in self._mapped or alias.field == NOTHING:
                return alias
            # the sender said which column that is: this one is another
            self._note(f"the column {shown(name)!r} is left out: {alias.field} is mapped to another")
            return nothing
        if (kind := standing_kind(plain)) is not None:
            if "status" in self._mapped:
                self._note(f"the column {shown(name)!r} is left out: status is mapped to another")
            else:
                self._standing.append((place, name, kind))
            return nothing
        if not plain:
            self._note("a column without a name is left out")
            return nothing
        twin = self._aliases.get(plain.translate(_LOOKALIKES))
        if twin is not None and twin.field != NOTHING:
            self._note(
                f"the column {shown(name)!r} looks like {twin.field} but has letters of another script:"
                " left out, map it"
            )
        elif may_speak(plain):
            self._note(f"the column {shown(name)!r} is no field: left out; map it to status if it tells who has left")
        else:
            self._note(f"the column {shown(name)!r} is no field: left out; map it to profile_data.<name> to keep it")
        return nothing


class ColumnsByShape:
    """The columns of entries that may differ from one another; each combination of names is looked at once."""

    def __init__(
        self, mapping: Mapping[str, str], note: Note, aliases: Mapping[str, Alias], *, address_as_username: bool = False
    ) -> None:
        self._mapping = mapping
        self._address_as_username = address_as_username
        self._aliases = aliases
        self._tell = note
        self._noted: set[str] = set()
        self._known: dict[tuple[str, ...], Columns] = {}

    def of(self, names: tuple[str, ...]) -> Columns:
        """Those of an entry with these names. Raises Unreadable where the sender mapped two to one field."""
        columns = self._known.get(names)
        if columns is None:
            columns = Columns(
                names, self._mapping, self.note, aliases=self._aliases, tolerant=True,
                address_as_username=self._address_as_username,
            )  # fmt: skip
            if len(self._known) < 1000:
                self._known[names] = columns
        return columns

    def note(self, text: str) -> None:
        """Tell of the file, once."""
        if text not in self._noted and len(self._noted) < 500:
            self._noted.add(text)
            self._tell(text)

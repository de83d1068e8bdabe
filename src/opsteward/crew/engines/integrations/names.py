"""How alike names of fields are: by their words, what words mean the same, and how they are written."""

from __future__ import annotations

import re
from functools import lru_cache

_WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^\W\d_A-Za-z]+")
#: Names as a whole, and single words, that mean the same in directories, shops and personnel systems.
_SAME = (
    "firstname givenname fname vorname forename prenom",
    "lastname surname sn familyname lname nachname nom apellido",
    "fullname displayname cn name commonname anzeigename",
    "email mail emailaddress mailaddress primaryemail workemail smtp epost",
    "phone telephone telephonenumber phonenumber tel telefon workphone phoneno",
    "mobile mobilephone cell cellphone handy mobil mobilenumber",
    "username login userid uid samaccountname loginname account userprincipalname accountname benutzername",
    "company organization organisation org o firma employer companyname",
    "department dept ou division abteilung orgunit team",
    "title jobtitle position role jobrole stelle funktion",
    "employeenumber employeeid personnelnumber staffid personalnummer empno empid staffnumber",
    "manager supervisor boss reportsto vorgesetzter",
    "city town locality l ort stadt",
    "postcode zip zipcode postalcode plz",
    "street streetaddress address addressline addressline1 strasse",
    "country countrycode c land nation",
    "state region province st bundesland county",
    "birthdate dateofbirth dob birthday geburtsdatum",
    "created createdat creationdate createdon createtime whencreated dateadded",
    "updated updatedat modified lastmodified modifiedat changedat whenchanged",
    "active enabled isactive isenabled status state",
    "id identifier key externalid nativeid objectid guid",
    "startdate hiredate entrydate joindate eintrittsdatum employmentstart",
    "enddate leavedate terminationdate austrittsdatum exitdate",
    "price unitprice cost preis amount", "quantity qty count amount menge", "description desc text notes comment",
    "currency currencycode waehrung", "language lang locale preferredlanguage sprache", "url link website homepage web",
)  # fmt: skip
_MEANS: dict[str, set[int]] = {}
for _number, _line in enumerate(_SAME):
    for _word in _line.split():
        _MEANS.setdefault(_word, set()).add(_number)
_EMPTY = frozenset({"value", "display", "formatted", "text", "content"})
_SHORT = {"nr": "number", "no": "number", "num": "number", "addr": "address", "org": "organization", "qty": "quantity",
          "desc": "description", "dt": "date", "ts": "time", "tel": "phone", "mgr": "manager", "emp": "employee",
          "usr": "user", "pwd": "password", "cust": "customer", "acct": "account", "dept": "department"}  # fmt: skip


@lru_cache(maxsize=100_000)
def likeness(one: str, other: str) -> float:
    """From 0, nothing in common, to 1, the same."""
    left, right = _split(one), _split(other)
    whole, other_whole = "".join(left), "".join(right)
    if whole == other_whole:
        return 1.0
    if _MEANS.get(whole, set()) & _MEANS.get(other_whole, set()):
        return 0.92
    words, other_words = {_SHORT.get(word, word) for word in left}, {_SHORT.get(word, word) for word in right}
    common = sum(
        1 for word in words if any(word == b or _MEANS.get(word, set()) & _MEANS.get(b, set()) for b in other_words)
    )
    by_words = 2 * common / (len(words) + len(other_words)) if words and other_words else 0.0
    return max(0.9 * by_words, 0.85 * _by_letters(whole, other_whole))


def _split(name: str) -> tuple[str, ...]:
    """The words of the last part of a path."""
    parts = [part for part in re.split(r"[.\[\]/:]+", name) if part] or [name]
    last = parts[-1]
    if last.lower() in _EMPTY and len(parts) > 1:  # emails.value
        last = parts[-2].removesuffix("s")
    return tuple(word.lower() for word in _WORDS.findall(last)) or (last.lower(),)


def _by_letters(one: str, other: str) -> float:
    """Pairs of letters in common."""
    left, right = _pairs(one), _pairs(other)
    return 2 * len(left & right) / (len(left) + len(right)) if left and right else 0.0


def _pairs(text: str) -> set[str]:
    padded = f"^{text}$"
    return {padded[place : place + 2] for place in range(len(padded) - 1)}

"""Which entries of a directory are people, by their object classes."""

from __future__ import annotations

from collections.abc import Set

_PERSON = frozenset({
    "person", "inetorgperson", "organizationalperson", "user", "account", "posixaccount", "shadowaccount",
    "residentialperson", "eduperson", "mailuser", "mailrecipient", "inetuser", "krbprincipalaux", "gosaaccount",
    "sambasamaccount",
})  # fmt: skip
#: These are no people even where they are persons too, as computers in Active Directory.
_NOT_PEOPLE = frozenset({
    "computer", "contact", "group", "referral", "foreignsecurityprincipal", "msds-groupmanagedserviceaccount",
    "msds-managedserviceaccount",
})  # fmt: skip


def no_person(classes: Set[str], *, named: bool) -> str:
    """Why an entry of these classes, in lower case, is no user; empty for one that is. `named`: it has a username."""
    if other := classes & _NOT_PEOPLE:
        return f"is no person ({min(other)})"
    if classes and not classes & _PERSON and not named:
        return f"is no person ({', '.join(sorted(classes - {'top'}))[:80] or 'top'})"
    return ""

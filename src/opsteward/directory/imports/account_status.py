"""Whether an account is in use, in the words of directories and HR systems: which column says it, and how.

A leaver must not come in with access because a file says "disabled" in another way than ours.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NamedTuple

from opsteward.directory.types import UserStatus

_YES = frozenset({
    "true", "yes", "y", "1", "t", "on", "x", "ja", "j", "oui", "si", "sí", "wahr", "vrai", "verdadero", "vero",
})  # fmt: skip
_NO = frozenset({
    "false", "no", "n", "0", "f", "off", "nein", "non", "falsch", "faux", "falso",
})  # fmt: skip
_NOTHING = frozenset(("", "-", "n/a", "none", "null"))
_ACTIVE_WORDS = """active enabled enable aktiv aktiviert actif activo attivo actief current employed normal ok regular
    permanent fulltime parttime contractor intern temporary temp casual apprentice probation
    recovery passwordexpired passwordreset confirmed forcechangepassword resetrequired activated
    bypass owner primaryowner admin member guest multichannelguest singlechannelguest yes true 1"""
_INACTIVE_WORDS = """inactive disabled disable deactivated deprovisioned terminated deleted inaktiv deaktiviert
    gesperrt blocked inactif inactivo inattivo inactief left leaver former retired resigned exited offboarded revoked
    expired closed staged removed departed banned blockedpendingapproval ldapblocked no false 0"""
_SUSPENDED_WORDS = "suspended onhold lockedout locked suspendiert suspendu suspendido sospeso"
_PENDING_WORDS = (
    "pending provisioned invited pendingactivation pendinguseraction prehire onboarding"
    " preboarding unactivated notactivated unconfirmed awaitingactivation"
)
_WORDS = {
    **dict.fromkeys(_ACTIVE_WORDS.split(), UserStatus.ACTIVE),
    **dict.fromkeys(_INACTIVE_WORDS.split(), UserStatus.INACTIVE),
    **dict.fromkeys(_SUSPENDED_WORDS.split(), UserStatus.SUSPENDED),
    **dict.fromkeys(_PENDING_WORDS.split(), UserStatus.PENDING),
    "archived": UserStatus.ARCHIVED,
}
#: Where several columns speak, the one that takes most counts.
_STRICTNESS = (
    UserStatus.ACTIVE, UserStatus.PENDING, UserStatus.SUSPENDED, UserStatus.INACTIVE, UserStatus.ARCHIVED,
)  # fmt: skip
_ACCOUNT_DISABLED = 0x2
_SHORTEST_STATE = 6
_SIGNS = re.compile(r"[\s_\-./]+")


class Said(NamedTuple):
    """What one column says of an account: its name in the file, the kind of its values, the value."""

    column: str
    kind: str
    value: object


def _word(text: str) -> UserStatus:
    return _WORDS[_SIGNS.sub("", text)]


def _yes(text: str) -> bool:
    if text in _YES:
        return True
    if text in _NO:
        return False
    raise KeyError(text)


def _if_yes(status: UserStatus) -> Callable[[str], UserStatus]:
    return lambda text: status if _yes(text) else UserStatus.ACTIVE


def _control_bits(text: str) -> UserStatus:
    """Active Directory's userAccountControl: a number, decimal or 0x, also as a negative 32-bit one."""
    try:
        bits = int(text, 16 if text.lstrip("+-").startswith("0x") else 10)
    except ValueError:
        raise KeyError(text) from None
    return UserStatus.INACTIVE if bits & _ACCOUNT_DISABLED else UserStatus.ACTIVE


def _samba_flags(text: str) -> UserStatus:
    return UserStatus.INACTIVE if "d" in text.strip("[] ") else UserStatus.ACTIVE


def _last_day(text: str) -> UserStatus | None:
    """POSIX's shadowExpire: the day from which the account is closed, counted from 1970; less than none is never."""
    try:
        day = int(text)
    except ValueError:
        raise KeyError(text) from None
    return UserStatus.INACTIVE if 0 <= day <= time.time() // 86_400 else None


def _state(text: str) -> UserStatus | None:
    """Of what may be the state of a country, a city or a leave too: only words that can be none of those speak."""
    word = _SIGNS.sub("", text)
    return _WORDS.get(word) if len(word) >= _SHORTEST_STATE and word != "normal" else None


#: How values of each kind are read, in lower case and without spaces around them; None for what says nothing of it.
#: KeyError for what none can be.
_KINDS: dict[str, Callable[[str], UserStatus | None]] = {
    "word": _word,
    "in use": lambda text: UserStatus.ACTIVE if _yes(text) else UserStatus.INACTIVE,
    "disabled": _if_yes(UserStatus.INACTIVE),
    "suspended": _if_yes(UserStatus.SUSPENDED),
    "archived": _if_yes(UserStatus.ARCHIVED),
    "locked at": lambda text: UserStatus.INACTIVE,
    "account control": _control_bits,
    "samba flags": _samba_flags,
    "last day": _last_day,
    "state": _state,
}
_COLUMNS = {
    "state": "state",
    "in use": "enabled accountenabled active isactive isenabled useractive useraccountenabled loginenabled"
    " signinallowed signinenabled currentlyactive activestatus activated aktiv aktiviert actif"
    " habilitado activo attivo orclisenabled",
    "disabled": "prohibitlogin desactive desactivado disattivato bloque bloqueado"
    " disabled isdisabled accountdisabled useraccountdisabled blocked isblocked signinblocked"
    " blockcredential blocksignin blockedfromsignin inactive isinactive deactivated isdeactivated terminated"
    " isterminated deleted isdeleted gesperrt deaktiviert accountinactive msdsuseraccountdisabled nsaccountlock"
    " logindisabled dspwpaccountdisabled ibmpwdaccountlocked",
    "suspended": "suspended issuspended",
    "archived": "archived isarchived",
    "locked at": "pwdaccountlockedtime",
    "account control": "useraccountcontrol",
    "samba flags": "sambaacctflags",
    "last day": "shadowexpire",
    "word": "inetuserstatus accountstatus userstatus employmentstatus employeestatus workerstatus kontostatus",
}
#: The kind of a column's values by its name, without spaces and signs.
STANDING_COLUMNS: dict[str, str] = {name: kind for kind, names in _COLUMNS.items() for name in names.split()}
_SUBJECTS = (
    "benutzerkonto|benutzer|konto|useraccount|account|user|compte|utilisateur|cuenta|usuario|login|signin|employee"
    "|employment|mitarbeiter|worker|person|position|lifecycle"
)
_OF_SUBJECT = re.compile(
    rf"(?:is)?(?P<before>{_SUBJECTS})?(?:is)?(?P<about>\w+?)(?P<after>{_SUBJECTS})?(?:yn|yesno|janein|ouinon|flag)?"
)


@lru_cache(maxsize=10_000)
def standing_kind(plain: str) -> str | None:
    """The kind of a column's values by its plain name, known as such or by its form: "Konto aktiviert", "Active (Y/N)".
    None for a column that says nothing of whether the account is in use."""
    if (known := STANDING_COLUMNS.get(plain)) is not None:
        return known
    found = _OF_SUBJECT.fullmatch(plain)
    if found is None:
        return None
    if found["about"] == "status":
        return "state" if found["before"] or found["after"] else None
    kind = STANDING_COLUMNS.get(found["about"])
    return kind if kind in ("in use", "disabled", "suspended", "archived") else None


#: These say a status by a flag in some systems ("orclIsEnabled: ENABLED") and by a word in others.
_EITHER = frozenset({"in use"})


def standing_of(said: Iterable[Said], status: str | None = None) -> tuple[UserStatus | None, Said | None]:
    """(what the columns and the status say together, the column that can't be read). Blank cells say nothing."""
    found = UserStatus(status) if status is not None else None
    says: UserStatus | None
    for one in said:
        text = str(one.value).strip().lower() if one.value is not None else ""
        if text in _NOTHING:
            continue
        try:
            says = _KINDS[one.kind](text)
        except KeyError:
            if one.kind not in _EITHER or (word := _WORDS.get(_SIGNS.sub("", text))) is None:
                return found, one
            says = word
        if says is not None and (found is None or _STRICTNESS.index(says) > _STRICTNESS.index(found)):
            found = says
    return found, None

"""Whether an account is in use, in the words of directories and HR systems: which column says it, and how.

A leaver must not come in with access because a file says "disabled" in another way than ours.
"""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NamedTuple, TypeVar

from opsteward.directory.types import UserStatus

_YES = frozenset({
    "true", "yes", "y", "1", "t", "on", "x", "ja", "j", "oui", "si", "sí", "sim", "tak", "wahr", "vrai", "verdadero",
    "vero", "verdadeiro", "prawda", "はい", "有効",
})  # fmt: skip
_NO = frozenset({
    "false", "no", "n", "0", "f", "off", "nein", "non", "nao", "não", "nie", "falsch", "faux", "falso", "falsz",
    "いいえ", "無効",
})  # fmt: skip
_NOTHING = frozenset(("", "-", "n/a", "none", "null"))
_ACTIVE_WORDS = """active enabled enable aktiv aktiviert actif active activo activa ativo ativa attivo attiva
    actief actieve aktywny aktywna aktywne habilitado habilitada abilitato current employed working normal ok
    accountok regular permanent fulltime parttime contractor intern temporary temp casual apprentice probation
    beschaeftigt angestellt imdienst enposte enservice empleado contratado trabalhando assunto inservizio
    indienst zatrudniony zatrudniona recovery passwordexpired passwordreset confirmed forcechangepassword
    resetrequired activated bypass owner primaryowner admin member guest multichannelguest singlechannelguest
    yes true 1 有効 在籍 在籍中 在職 在職中 利用中
    работает активен активна 在职 正常 启用"""
_INACTIVE_WORDS = """inactive disabled disable deactivated deactivate deprovisioned deprovisioning terminated
    deleted softdeleted pendingdeletion pendingdelete inaktiv deaktiviert gesperrt geloescht ausgeschieden
    ausgetreten gekuendigt beendet imruhestand blocked inactif inactive desactive desactivee supprime sorti
    sortie parti partie demissionne licencie quitte inactivo inactiva desactivado desactivada deshabilitado
    deshabilitada baja debaja cesado despedido jubilado eliminado inativo inativa desativado desativada
    desligado desligada demitido demitida rescindido excluido inattivo inattiva disattivato disattivata cessato
    dimesso licenziato cancellato inactief uitgeschakeld uitdienst nieaktywny nieaktywna zwolniony zwolniona
    zablokowany usuniety wylaczony notactive notemployed nolongeremployed exemployee dismissed fired laidoff
    deceased left leaver former retired resigned exited separated offboarded revoked expired closed staged
    removed departed banned blockedpendingapproval ldapblocked alumni no false 0 退職 退職済 退職済み 退職者
    無効 削除 削除済み 離職 уволен уволена уволенный 离职 已离职 停用 禁用"""
_SUSPENDED_WORDS = """suspended suspend onhold lockedout locked paused frozen suspendiert suspendu suspendue
    suspendido suspendida suspenso suspensa sospeso sospesa opgeschort zawieszony zawieszona 停止 停止中
    一時停止 利用停止 ロック"""
_PENDING_WORDS = (
    "pending provisioned invited pendingactivation pendinguseraction prehire onboarding initial"
    " preboarding unactivated notactivated unconfirmed awaitingactivation unverified pendingverification"
)
#: Of what is written before a status: USER_STATE_ACTIVE.
_BEFORE_WORDS = re.compile(r"^(?:user|account|employee|member)?(?:state|status)(?=.)")
_NO_SIGNS = re.compile(r"[\s_\-./()'’]+")


def _plain_word(text: str) -> str:
    """Without case, accents and signs."""
    parts = unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS))
    plain = "".join(c for c in parts if not unicodedata.combining(c))
    return _BEFORE_WORDS.sub("", _NO_SIGNS.sub("", plain))


_LETTERS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ł": "l"})
_WORDS = {
    _plain_word(word): status
    for status, words in (
        (UserStatus.ACTIVE, _ACTIVE_WORDS), (UserStatus.INACTIVE, _INACTIVE_WORDS),
        (UserStatus.SUSPENDED, _SUSPENDED_WORDS), (UserStatus.PENDING, _PENDING_WORDS),
        (UserStatus.ARCHIVED, "archived"),
    )
    for word in words.split()
}  # fmt: skip
#: Where several columns speak, the one that takes most counts.
_STRICTNESS = (
    UserStatus.ACTIVE, UserStatus.PENDING, UserStatus.SUSPENDED, UserStatus.INACTIVE, UserStatus.ARCHIVED,
)  # fmt: skip
_ACCOUNT_DISABLED = 0x2
_SHORTEST_STATE = 4
#: Characters of a column's plain name.
_LONGEST_NAME = 200


Value = TypeVar("Value")


class Said(NamedTuple):
    """What one column says of an account: its name in the file, the kind of its values, the value."""

    column: str
    kind: str
    value: object


#: What takes an account out of use, within a text that is no known word: `Terminated (Involuntary)`.
_OF_GONE = re.compile(
    r"terminat|deactiv|inactiv|disabl|suspend|delet|dismiss|resign|retire|offboard|deprovision|departed|separated|exited"
    r"|left (?:the|us|on|in)|laid off|no longer|ausgeschied|ausgetret|gekündigt|gekuendigt|gesperrt|deaktiv|inaktiv"
    r"|im ruhestand|désactiv|desactiv|desativ|disattiv|inattiv|supprim|démission|demission|licencié|despedid"
    r"|desvinculad|desligad|demitid|licenziat|cessat|cesad|zwolnion|nieaktywn|uit dienst|退職|離職|無効|削除|停止"
)
#: Said after such a word, these may take it back.
_TAKEN_BACK = re.compile(
    r"re-?hired|re-?(?:activat|instat|enabl)|\bactive|cancel|withdraw|revok|\bnot\b|\bnever\b|\bfuture"
)
_FIRST_WORD = re.compile(r"[^\W\d_]{4,}")
_OUT_OF_USE = frozenset((UserStatus.INACTIVE, UserStatus.SUSPENDED, UserStatus.ARCHIVED))


def word_status(text: str) -> UserStatus | None:
    """What a text says that is known as a word, or begins with one for an account that is out of use; else None."""
    if (known := _WORDS.get(_plain_word(text))) is not None:
        return known
    first = _FIRST_WORD.match(text)
    status = _WORDS.get(_plain_word(first[0])) if first else None
    taken_back = first and _TAKEN_BACK.search(text.lower(), first.end())
    return status if status in _OUT_OF_USE and not taken_back else None


def _word(text: str) -> UserStatus:
    if (status := word_status(text)) is None:
        raise KeyError(text)
    return status


def _unless_gone(text: str) -> UserStatus | None:
    """For what may say something else than whether the account is in use: only what speaks of being gone must be
    understood."""
    if (status := word_status(text)) is None and _OF_GONE.search(text):
        raise KeyError(text)
    return status


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
    word = _plain_word(text)
    plain = len(word) >= _SHORTEST_STATE and word != "normal"
    return _unless_gone(text) if plain or not word.isascii() else None


#: What programs write for a time that is none.
_NO_TIME = ("0001-01-01", "0000-00-00")


def _at_any_time(status: UserStatus) -> Callable[[str], UserStatus | None]:
    return lambda text: None if text in _NO or text == "never" or text.startswith(_NO_TIME) else status


def _employment(text: str) -> UserStatus | None:
    """Of what an employment is called: words for its kind (full-time, salaried) say nothing of the account."""
    return _unless_gone(text)


#: How values of each kind are read, in lower case and without spaces around them; None for what says nothing of it.
#: KeyError for what none can be.
_KINDS: dict[str, Callable[[str], UserStatus | None]] = {
    "word": _word,
    "in use": lambda text: UserStatus.ACTIVE if _yes(text) else UserStatus.INACTIVE,
    "disabled": _if_yes(UserStatus.INACTIVE),
    "suspended": _if_yes(UserStatus.SUSPENDED),
    "archived": _if_yes(UserStatus.ARCHIVED),
    "locked at": _at_any_time(UserStatus.INACTIVE),
    "suspended at": _at_any_time(UserStatus.SUSPENDED),
    "account control": _control_bits,
    "samba flags": _samba_flags,
    "last day": _last_day,
    "state": _state,
    "employment": _employment,
}
_COLUMNS = {
    "state": "state etat статус 状态 在职状态 员工状态 estado zustand statut situacao situacion stato"
    " 状態 ステータス 在籍区分 在職区分 在籍状況"
    " アカウント状態",
    "employment": "beschaeftigungsstatus anstellungsstatus arbeitsstatus personalstatus statutemploye statutsalarie"
    " estadolaboral estadoempleado estadodelempleado situacaofuncional statuszatrudnienia statuspracownika 雇用状況"
    " 従業員ステータス employmentstate currentstatus",
    "in use": "enabled accountenabled active isactive isenabled useractive useraccountenabled loginenabled"
    " signinallowed signinenabled employed isemployed currentlyemployed stillemployed"
    " currentemployee currentlyactive activestatus activated aktiv aktiviert actif"
    " habilitado activo ativo attivo aktywny orclisenabled 有効 有効フラグ",
    "disabled": "prohibitlogin desactive desactivado disattivato bloque bloqueado"
    " disabled isdisabled accountdisabled useraccountdisabled blocked isblocked signinblocked"
    " blockcredential blocksignin blockedfromsignin inactive isinactive deactivated isdeactivated terminated"
    " isterminated deleted isdeleted gesperrt deaktiviert accountinactive msdsuseraccountdisabled nsaccountlock"
    " logindisabled dspwpaccountdisabled ibmpwdaccountlocked preserved softdeleted loginblocked leaver isleaver"
    " inactif"
    " inactivo inativo inaktiv bloqueada resigned hasleft exemployee isgone ausgeschieden"
    " ausgetreten removed isremoved banned isbanned offboarded"
    " isoffboarded retired isretired deceased isdeceased 無効 無効フラグ 退職 退職フラグ",
    "suspended": "suspended issuspended locked islocked accountlocked isaccountlocked lockedout islockedout userlocked",
    "archived": "archived isarchived",
    "locked at": "pwdaccountlockedtime deletedat deactivatedat disabledat terminatedat deletiontime deleteddatetime"
    " deletedon deactivatedon",
    "suspended at": "suspendedat blockedat bannedat lockedat",
    "account control": "useraccountcontrol",
    "samba flags": "sambaacctflags",
    "last day": "shadowexpire",
    "word": "emplstatus hrstatus inetuserstatus accountstatus userstatus employmentstatus employeestatus"
    " workerstatus kontostatus",
}


def _column_name(name: str) -> str:
    parts = unicodedata.normalize("NFKD", name.casefold())
    return "".join(c for c in parts if not unicodedata.combining(c))


#: The kind of a column's values by its name, without spaces and signs.
STANDING_COLUMNS: dict[str, str] = {
    _column_name(name): kind for kind, names in _COLUMNS.items() for name in names.split()
}
_SUBJECTS = (
    "benutzerkontos??|benutzers??|kontos??|useraccount|account|user|login|signin|employee|employment|mitarbeiters??|worker"
    "|person|position|lifecycle|staff|member|beschaeftigungs|anstellungs|personal|compte|utilisateur|salarie|employe"
    "|collaborateur|cuenta|usuario|empleado|colaborador|conta|funcionario|konta|pracownika|uzytkownika|zatrudnienia"
    "|dipendente|utente|medewerker|gebruikers??"
)
#: Columns of when an account was taken out of use: `deleted_at`, `deactivationDate`.
_OF_TIMES = re.compile(
    r"(delet|deactivat|inactiv|archiv|disabl|suspend|suspens|block|bann?|lock|remov|offboard)(?:e|ed|ion|ing)?"
    r"(?:at|on|date|time|datetime|dateutc|timestamp|since)"
)
#: What a column of states is called, in several languages.
_STATES = "status|etat|state|statut|zustand|estado|situacao|situacion|situation|stato|stan"
_OF_STATES = re.compile(_STATES)
#: A column of states of one of these is about the account; of one of the others unless "state" may be of an address.
_ACCOUNTS = re.compile(r"(?:benutzer)?kontos?|useraccount|account|login|signin|compte|cuenta|conta|konta")
_STAFF = re.compile(
    r"benutzers?|user|employee|employment|mitarbeiters?|worker|beschaeftigungs|anstellungs|utilisateur|salarie|employe"
    r"|collaborateur|usuario|empleado|colaborador|funcionario|pracownika|uzytkownika|zatrudnienia|dipendente|utente"
    r"|medewerker|gebruikers?"
)
_UNMISTAKABLE = ("status", "statut", "zustand", "situacao", "situacion", "situation")
_OF_SUBJECT = re.compile(
    rf"(?:is)?(?P<before>{_SUBJECTS})?(?:is)?(?P<about>\w+?)"
    rf"(?:d[aeou]s?|del|dela|del)?(?P<after>{_SUBJECTS})?(?:yn|yesno|janein|ouinon|flag)?"
)


def may_speak(plain: str) -> bool:
    """Whether a column that is not known may say who is in use, by what its name ends or begins with."""
    return re.search(rf"(?:{_STATES})$|^(?:{_STATES})", plain) is not None


def standing_kind(plain: str) -> str | None:
    """The kind of a column's values by its plain name, known as such or by its form: "Konto aktiviert", "Active (Y/N)".
    None for a column that says nothing of whether the account is in use, as none does whose name is a text by itself.
    """
    return _standing_kind(plain) if len(plain) <= _LONGEST_NAME else None


@lru_cache(maxsize=10_000)
def _standing_kind(plain: str) -> str | None:
    if (known := STANDING_COLUMNS.get(plain)) is not None:
        return known
    if timed := _OF_TIMES.fullmatch(plain):
        return "suspended at" if timed[1] in ("suspend", "suspens", "block", "bann", "ban", "lock") else "locked at"
    found = _OF_SUBJECT.fullmatch(plain)
    if found is None:
        return None
    if _OF_STATES.fullmatch(found["about"]):
        subject = found["before"] or found["after"]
        if subject is None:
            return None
        of_staff = _STAFF.fullmatch(subject) is not None and found["about"] in _UNMISTAKABLE
        return "word" if of_staff or _ACCOUNTS.fullmatch(subject) else "state"
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
        if isinstance(one.value, dict | list):
            return found, one
        try:
            says = _KINDS[one.kind](text)
        except KeyError:
            if one.kind not in _EITHER or (word := word_status(text)) is None:
                return found, one
            says = word
        if says is not None and (found is None or _STRICTNESS.index(says) > _STRICTNESS.index(found)):
            found = says
    return found, None


def less_active(kind: str, one: Value, other: Value) -> Value:
    """Of two values of one kind the one that takes more; or the one that can't be read, so that it is refused."""
    found, bad = standing_of([Said("", kind, one), Said("", kind, other)])
    if bad is not None:
        return one if bad.value is one else other
    return one if standing_of([Said("", kind, one)])[0] is found else other

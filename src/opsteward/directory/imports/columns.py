"""Which column is which field: the sender's mapping first, then names that HR systems and directories use."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from opsteward.core.errors import Invalid
from opsteward.directory.imports.records import Unreadable, shown

#: What a row may have. `first_name` and `last_name` make the full name where there is none.
FIELDS = (
    "username", "email", "full_name", "first_name", "last_name", "role", "department", "manager", "manager_id",
    "external_id", "profile_data", "tags", "enrollment_type", "expires_at", "status",
)  # fmt: skip
PROFILE = "profile_data."
#: A column mapped to this is left out without a word.
NOTHING = "-"
_ALIASES = {
    "username": "user user_name login login_name user_id userid account account_name benutzername benutzer kennung"
    " anmeldename uid samaccountname identifiant usuario nome_utente gebruikersnaam",
    "email": "e_mail mail email_address e_mail_address e_mail_adresse emailadresse mailadresse email_adresse"
    " work_email courriel correo",
    "full_name": "fullname name display_name displayname vollstaendiger_name anzeigename cn nom_complet"
    " nombre_completo naam",
    "first_name": "firstname given_name givenname vorname prenom nombre voornaam nome",
    "last_name": "lastname surname family_name familyname nachname familienname sn nom apellido achternaam cognome",
    "role": "rolle user_role employee_type employeetype",
    "department": "dept abteilung ou organisational_unit departement departamento afdeling departmentnumber",
    "manager": "supervisor vorgesetzter vorgesetzte fuehrungskraft reports_to manager_username manager_email",
    "external_id": "externalid employee_id employee_number employeenumber employeeid personnel_number mitarbeiter_id"
    " personalnummer mitarbeiternummer matricule hr_id",
    "expires_at": "expires expiry expiry_date end_date austrittsdatum ablaufdatum gueltig_bis contract_end",
    "tags": "labels schlagworte",
    "profile_data": "profile",
    "enrollment_type": "enrolment_type",
    "status": "",
    "manager_id": "",
}
ALIASES: dict[str, str] = {name: field for field, names in _ALIASES.items() for name in (field, *names.split())}
_LDIF_OWN = {"opstewardtag": "tags", "opstewardprofiledata": "profile_data", "opstewardexpiresat": "expires_at",
             "opstewardstatus": "status", "accountexpires": NOTHING, "memberof": NOTHING}  # fmt: skip
LDIF_ALIASES: dict[str, str] = {
    **{name: field for name, field in ALIASES.items() if name not in ("user_id", "displayname", "userid", "ou")},
    **_LDIF_OWN,
    **dict.fromkeys(("dn", "objectclass", "version", "changetype", "control", "userpassword"), NOTHING),
}
_BETWEEN = re.compile(r"[\s_\-./]+")
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})
#: Letters of other scripts that look like Latin ones.
_LOOKALIKES = str.maketrans("аеорсухіјѕԁһкмнтвοανικρτυχε", "aeopcyxijsdhkmhtboavikptuxe")


def _plain(name: str) -> str:
    text = unicodedata.normalize("NFC", name).strip().strip("\ufeff").casefold().translate(_UMLAUTS)
    text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return _BETWEEN.sub("_", text).strip("_")


def check_mapping(mapping: Mapping[str, Any]) -> dict[str, str]:
    """The sender's mapping of columns. Raises Invalid for one that names no field."""
    if len(mapping) > 500:
        raise Invalid.field("mapping", "names more than 500 columns", "name those that are needed")
    for column, field in mapping.items():
        known = isinstance(field, str) and (field in FIELDS or field == NOTHING or field.startswith(PROFILE))
        if not known or field == PROFILE:
            raise Invalid.field(
                f"mapping.{column[:100]}", f"{field!r:.60} is no field",
                f"use one of {', '.join(FIELDS)}, profile_data.<name>, or - to leave it out",
            )  # fmt: skip
    return dict(mapping)


class Columns:
    """The columns of one file. Raises Unreadable where two mean the same, or a mapped one is not there."""

    def __init__(
        self,
        header: Sequence[str],
        mapping: Mapping[str, str],
        note: Callable[[str], None],
        *,
        aliases: Mapping[str, str] = ALIASES,
        ignored: frozenset[str] = frozenset(),
    ) -> None:
        self.width = len(header)
        wanted = {name.strip(): field for name, field in mapping.items()}
        self._places: list[tuple[int, str]] = []
        self._profile: list[tuple[int, str]] = []
        taken: dict[str, str] = {}
        mapped = set(wanted.values())
        for place, raw in enumerate(header):
            name = raw.strip().strip("\ufeff")
            field = NOTHING if name in ignored else wanted.get(name) or _known(name, aliases, mapped, note)
            if name != raw and field != NOTHING and raw.strip("\ufeff") != name:
                note(f"the column {shown(raw)!r} has spaces around its name")
            if field == NOTHING:
                continue
            if field in taken:
                raise Unreadable(
                    f"the columns {shown(taken[field])!r} and {shown(name)!r} both mean {field}: map one of them"
                )
            taken[field] = name
            if field.startswith(PROFILE):
                self._profile.append((place, field.removeprefix(PROFILE)))
            else:
                self._places.append((place, field))

    def named(self, cells: Sequence[Any]) -> dict[str, Any]:
        """A row by its fields."""
        values = {field: cells[place] for place, field in self._places}
        if self._profile:
            more = {name: cells[place] for place, name in self._profile if cells[place] != ""}
            values["profile_data." if "profile_data" in values else "profile_data"] = more
        return values


def _known(name: str, aliases: Mapping[str, str], mapped: set[str], note: Callable[[str], None]) -> str:
    plain = _plain(name)
    field = aliases.get(plain)
    if field is not None:
        if field in mapped:  # the sender said which column that is: this one is another
            note(f"the column {shown(name)!r} is left out: {field} is mapped to another")
            return NOTHING
        return field
    if not plain:
        note("a column without a name is left out")
        return NOTHING
    twin = aliases.get(plain.translate(_LOOKALIKES))
    if twin is not None and twin != NOTHING:
        note(f"the column {shown(name)!r} looks like {twin} but has letters of another script: left out, map it")
    else:
        note(f"the column {shown(name)!r} is no field: left out; map it to profile_data.<name> to keep it")
    return NOTHING

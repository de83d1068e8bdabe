"""The one table of what a file may say about a user: reading, staging, matching, change, export and guide follow it.

A field that is a plain text of its own (such as a cost centre) needs one entry here, with `stored`, a line in
`PlainTexts`, and a revision that adds its column to the table of users: files bring and take it, and the API takes,
checks, changes and shows it.
"""

from __future__ import annotations

from dataclasses import dataclass

from opsteward.core.name_keys import MAX_EMAIL

PROFILE = "profile_data."
MAX_FULL_NAME = 500
MAX_WORD = 200
#: A column that is mapped to this is left out without a word.
NOTHING = "-"


@dataclass(frozen=True, kw_only=True)
class PlainTexts:
    """Texts that a user need not have, and that are kept as they come: a line for each of `TEXTS`."""

    department: str | None = None
    external_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class UserField:
    """One field of a row.

    `best_aliases`, `aliases`, `weak_aliases`: other names of its column, without spaces and signs. The best go before
    the field's own name, as the work's address before another; a weak one counts where no better one is there.
    `stored`: the SQL type of its own column in users, where a row need not have it: what a file does not give stays.
    `empty`: what is stored for none (text of COPY). `blank_keeps`: a blank cell gives nothing. `ldif`: the attribute
    of an export.
    """

    name: str
    says: str
    check: str = "text"
    limit: int = 255
    best_aliases: str = ""
    aliases: str = ""
    weak_aliases: str = ""
    stored: str = ""
    empty: str = "\\N"
    blank_keeps: bool = False
    ldif: str = ""
    exported: bool = True


USER_FIELDS = (
    UserField(
        name="username",
        says="must be there, once; a file without such a column takes the address for it",
        ldif="uid",
        aliases="user login loginname loginid userlogin account accountname benutzername benutzer kennung anmeldename"
        " benutzerkennung uid networkid netid ntlogin adlogin adusername identifiant nomutilisateur nomdutilisateur"
        " usuario nombreusuario nombredeusuario nomeusuario nomedeusuario nomedeutilizador utilizador nomeutente"
        " gebruikersnaam uzytkownik nazwauzytkownika ユーザー名 ユーザ名 ユーザーID ユーザID ログインID アカウント名",
        weak_aliases="samaccountname userprincipalname upn logonname userlogonname userid",
    ),
    UserField(
        name="email",
        check="email",
        limit=MAX_EMAIL,
        says="must be there, once; where a row has none, a username that is an address is taken for it",
        ldif="mail",
        best_aliases="workemail workemailaddress companyemail companyemailaddress corporateemail officialemail"
        " businessemail businessemailaddress primaryworkemail contactworkemail workcontactworkemail emailwork"
        " emailprofessionnel courrielprofessionnel emailcorporativo emailprofissional emailsluzbowy"
        " geschaeftlicheemail"
        " emailgeschaeftlich emaildienstlich dienstlicheemail",
        aliases="mail emailadresse mailadresse emailadres primaryemail useremail emailid courriel adresseemail"
        " adressemail"
        " adressedecourriel adresseelectronique correo correoelectronico direcciondecorreo"
        " direcciondecorreoelectronico enderecodeemail correioeletronico indirizzoemail postaelettronica adresemail"
        " adrespocztyelektronicznej メールアドレス メール Eメール 電子メール",
        weak_aliases="emailaddress primarysmtpaddress windowsemailaddress internetaddress emails mails",
    ),
    UserField(
        name="full_name",
        limit=MAX_FULL_NAME,
        says="must be there, or `first_name` and `last_name`",
        ldif="cn",
        aliases="vollstaendigername vorundnachname nomcomplet prenometnom nombrecompleto nombreyapellidos"
        " nomecompleto"
        " imieinazwisko volledigenaam employeefullname 氏名 名前 フルネーム realname",
        weak_aliases="displayname anzeigename naam cn name employeename formattedname namefullname nameformatted"
        " worker preferredname 表示名 nomdaffichage nombreparamostrar nomedeexibicao",
    ),
    UserField(
        name="first_name",
        says="makes the full name, with `last_name`, where there is none",
        exported=False,
        aliases="givenname vorname prenom nombre nombres voornaam nome primeironome imie legalfirstname"
        " namegivenname 名",
        weak_aliases="forename first givennames preferredfirstname",
    ),
    UserField(
        name="last_name",
        says="see `first_name`",
        exported=False,
        aliases="surname familyname nachname familienname sn nom apellido achternaam cognome legallastname"
        " namefamilyname apellidos apelido sobrenome nazwisko 姓",
        weak_aliases="last secondname",
    ),
    UserField(
        name="last_name_first",
        says="`Lovelace, Ada`: turned round, it makes the full name where nothing else does",
        exported=False,
        aliases="lastnamefirstname payrollname nachnamevorname nomprenom apellidonombre",
    ),
    UserField(
        name="status",
        check="status",
        says="active, inactive, suspended, archived, or another system's word; takes access and never gives it back",
        ldif="opstewardStatus",
    ),
    UserField(
        name="role",
        check="word",
        limit=100,
        says="decides the enrolment; `standard_user` where a new user has none",
        ldif="employeeType",
        aliases="rolle userrole employeetype",
        stored="text",
        empty="standard_user",
        blank_keeps=True,
    ),
    UserField(name="enrollment_type", check="rule", says="the rule to enrol by, if not the role's",
              ldif="enrollmentType", aliases="enrolmenttype"),
    UserField(
        name="department",
        check="word",
        limit=MAX_WORD,
        says="text",
        ldif="departmentNumber",
        aliases="dept abteilung departement departamento afdeling dzial departmentnumber 部署 部門 所属",
        weak_aliases="ou service setor servicio reparto orgunit organizationalunit bereich organisationalunit"
        " departmentname departmentdescription homedepartmentdescription"
        " organizationdepartment",
        stored="text",
    ),
    UserField(
        name="manager",
        check="manager",
        limit=MAX_EMAIL,
        says="a username, an address or, in LDIF, a distinguished name; before or after its people in the file",
        weak_aliases="managerusername managerlogin manageruserprincipalname managerupn manageremail"
        " manageremailaddress"
        " managerworkemail supervisoremail manager supervisor linemanager vorgesetzter vorgesetzte fuehrungskraft"
        " reportsto reportstoemail reportingto reportingmanager responsable responsablehierarchique"
        " superieurhierarchique"
        " superieur managervalue jefe jefedirecto supervisordirecto gestor gestordireto gerente przelozony kierownik"
        " teamlead 上司 上長",
    ),
    UserField(
        name="manager_id",
        check="manager",
        says="the manager by id here, or by the number that the manager has in the file",
        exported=False,
        aliases="managernumber manageruserid manageremployeeid manageremployeenumber managerworkerid"
        " managerassociateid managersysid supervisorid supervisoreid supervisoremployeeid reportstoid"
        " reportstoassociateid reportstoemployeeid vorgesetzterid vorgesetztenid manageruuid managerguid",
    ),
    UserField(
        name="external_id",
        check="code",
        says="the number in the HR system",
        ldif="employeeNumber",
        aliases="employeeid employeenumber employeeno employeecode employeeidentifier employee# personnelnumber"
        " personnelno pernr staffid staffnumber mitarbeiterid mitarbeiternr personalnummer personalnr persnr"
        " mitarbeiternummer matricule matricula numerodeempleado numeroempleado numerpracownika hrid empid 社員番号"
        " 従業員番号",
        weak_aliases="workerid associateid personnumber personid payrollnumber employeeidincompany idnumber",
        stored="text",
    ),
    UserField(
        name="expires_at",
        check="instant",
        says="when the account ends: `2031-12-31`, better with time and zone; `expires_at:dmy`, `:mdy` say the order",
        ldif="opstewardExpiresAt",
        best_aliases="terminationdate termdate dateleft leftdate lefton leftat leaverdate lastdayworked terminatedon"
        " ausgeschiedenam 離職日 leavedate leavingdate dateofleaving employeeleavedatetime relievingdate"
        " exitdate"
        " separationdate terminationeffectivedate lastdayofwork lastworkingday lastworkingdate lastday austrittsdatum"
        " austritt austrittam datedesortie datesortie datededepart datedepart fechadebaja fechabaja fechadesalida"
        " datadedesligamento datadesligamento datadedemissao datademissao datarescisao datazwolnienia"
        " datacessazione uitdienst uitdienstdatum 退職日 退社日 最終出社日",
        aliases="expires expiry expirydate expirationdate expireson enddate employmentenddate endofemployment"
        " validuntil"
        " validto ablaufdatum gueltigbis einddatum datedefin datefin fechafin fechadefin datafim datazakonczenia"
        " 有効期限"
        " 終了日",
        weak_aliases="accountexpirationdate accountexpirydate accountexpires accountenddate accountexpiration"
        " krbprincipalexpiration contractend contractenddate contractends contractexpirydate endofcontract"
        " vertragsende"
        " befristetbis befristungbis datefincontrat datefindecontrat datedefindecontrat fechafindecontrato"
        " fechafincontrato fechadefindecontrato terminodocontrato datarozwiazaniaumowy 契約終了日",
        stored="timestamptz",
    ),
    UserField(
        name="dn",
        check="dn",
        limit=4096,
        says="the distinguished name in a directory: who names it as manager is found by it",
        exported=False,
        weak_aliases="distinguishedname entrydn onpremisesdistinguishedname",
    ),
    UserField(
        name="number",
        check="dn",
        says="what the file numbers its users by: who names it as manager is found by it, within the file. Not kept",
        exported=False,
        weak_aliases="id objectid sysid guid uuid entityid pk",
    ),
    UserField(
        name="tags",
        check="tags",
        ldif="opstewardTag",
        limit=MAX_WORD,
        says="a JSON array of texts, or texts with commas between",
        aliases="labels schlagworte",
        stored="text[]",
        empty="{}",
    ),
    UserField(
        name="profile_data",
        check="profile",
        ldif="opstewardProfileData",
        says="a JSON object; a column mapped to `profile_data.NAME` is kept in it",
        aliases="profile",
        stored="jsonb",
        empty="{}",
    ),
)  # fmt: skip

FIELD_NAMES = tuple(field.name for field in USER_FIELDS)
#: Fields with a column of their own that a row need not have, with the bit that says that it has.
STORED: tuple[tuple[int, UserField], ...] = tuple(
    (1 << number, field) for number, field in enumerate(field for field in USER_FIELDS if field.stored)
)
GIVEN = {field.name: bit for bit, field in STORED}
#: Plain texts that a user need not have: the services keep, check and change them as they are.
TEXTS = tuple(field for _, field in STORED if field.stored == "text" and field.name != "role")
EXPORTED = tuple(field for field in USER_FIELDS if field.exported)

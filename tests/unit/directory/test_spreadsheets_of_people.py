"""Spreadsheets of people: names of columns in several languages, lines around the rows, names in odd forms."""

from __future__ import annotations

import pytest

from support.checked_files import Checked

#: (content, {username: (address, name, status, department, manager)})
People = dict[str, tuple[str, str, str | None, str, str]]
ADA = ("a@c.test", "Ada Lang", "active", "R", "")
BO = ("b@c.test", "Bo Berg", "inactive", "IT", "ada")
LANGUAGES = {
    "German": "Benutzername;Vorname;Nachname;E-Mail-Adresse;Abteilung;Vorgesetzter;Mitarbeiterstatus\n"
    "ada;Ada;Lang;a@c.test;R;;aktiv\nbo;Bo;Berg;b@c.test;IT;ada;ausgeschieden\n",
    "German, by number": "Kennung;Personal-Nr.;Vorname;Name;E-Mail;Abteilung;Vorgesetzter (Personalnr.);"
    "Beschäftigungsstatus\n"
    "ada;7;Ada;Lang;a@c.test;R;;beschäftigt\nbo;8;Bo;Berg;b@c.test;IT;7;gekündigt\n",
    "French": "Identifiant;Nom;Prénom;Adresse e-mail;Service;Responsable hiérarchique;Statut\n"
    "ada;Lang;Ada;a@c.test;R;;Activé\nbo;Berg;Bo;b@c.test;IT;ada;Désactivé\n",
    "Spanish": "Nombre de usuario,Nombre,Apellidos,Correo electrónico,Departamento,Jefe directo,Estado\n"
    "ada,Ada,Lang,a@c.test,R,,Activo\nbo,Bo,Berg,b@c.test,IT,ada,Baja\n",
    "Portuguese": "Nome de usuário;Nome completo;E-mail corporativo;Setor;Gestor;Situação\n"
    "ada;Ada Lang;a@c.test;R;;Ativo\nbo;Bo Berg;b@c.test;IT;ada;Desligado\n",
    "Polish": "Nazwa użytkownika;Imię;Nazwisko;Adres e-mail;Dział;Przełożony;Status\n"
    "ada;Ada;Lang;a@c.test;R;;Aktywny\nbo;Bo;Berg;b@c.test;IT;ada;Zwolniony\n",
    "Japanese": "ユーザーID,氏名,メールアドレス,部署,上司,在籍状況\n"
    "ada,Ada Lang,a@c.test,R,,在籍\nbo,Bo Berg,b@c.test,IT,ada,退職済み\n",
    "paths of an interface": "login,profile.email,profile.displayName,work.department,work.reportsTo,account.status\n"
    "ada,a@c.test,Ada Lang,R,,ACTIVE\nbo,b@c.test,Bo Berg,IT,ada,DISABLED\n",
}


@pytest.mark.parametrize("name", LANGUAGES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_columns_are_known_in_several_languages(name: str, encoding: str) -> None:
    found = Checked(LANGUAGES[name].encode(encoding), "csv")
    came = {
        key: (one["email"], one["full_name"], found.statuses[key], one["department"], one["manager"])
        for key, one in found.users.items()
    }
    boss = "7" if "number" in name else "ada"
    assert came == {"ada": ADA, "bo": (*BO[:4], boss)}, (found.problems, found.notes)


AROUND: dict[str, tuple[str, list[str], int]] = {
    "titles and totals": (
        "sep=;\r\nStaff;;\r\nAs of 2026-11-01;;\r\n;;\r\nUsername;E-mail;Name;Pay\r\nada;a@c.test;A;5.000,50\r\n"
        "Summe: 1;;;5.000,50\r\n", ["ada"], 1,
    ),
    "a short total": ("Username,Email,Name,Hours\nada,a@c.test,A,1\nTotal,320\n", ["ada"], 1),
    "a drawn table": (
        " username |  email   | full_name \n----------+----------+-----------\n ada      | a@c.test | A\n(1 row)\n",
        ["ada"], 1,
    ),
    "a framed table": (
        "+-----+-------+\n| login | email |\n+-----+-------+\n| ada | a@c.test |\n+-----+-------+\n",
        ["ada"], 0,
    ),
    "a total of several": ("Username,Email,Name,Hours\nada,a@c.test,A,1\nGesamt: 2,,,1.320\nTotals,,,9\n", ["ada"], 2),
    "comments above": ("# people\n# of today\nlogin|mail|cn\nada|a@c.test|A\n", ["ada"], 0),
    "a user of that name": ("username,email,full_name\ntotal,t@c.test,Total Control\n", ["total"], 0),
}  # fmt: skip


@pytest.mark.parametrize("name", AROUND)
def test_lines_around_the_rows_are_no_users(name: str) -> None:
    content, users, skipped = AROUND[name]
    found = Checked(content.encode(), "csv")
    assert (list(found.users), found.failed, found.skipped) == (users, 0, skipped), (found.problems, found.notes)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (
            "root:x:0:0:root:/root:/bin/sh\nada:x:1000:1000:Ada:/home/ada:/bin/sh\n",
            "/etc/passwd, which has no addresses",
        ),
        ("root:*:19000:0:99999:7:::\n", "/etc/shadow"),
        ("-- MySQL dump 10.13\n--\nINSERT INTO `users` VALUES (1,'ada','a@c.test');\n", "SQL statements"),
        ("CREATE TABLE users (id int);\n", "SQL statements"),
        ("1\tada\ta@c.test\tAda\n2\tbo\tb@c.test\tBo\n", "no row with the names of its columns"),
        ("username,email,email,full_name\nada,a@c.test,b@c.test,A\n", "two columns are named 'email': rename"),
    ],
)
def test_what_has_no_columns_of_people_is_refused_as_a_whole(content: str, says: str) -> None:
    found = Checked(content.encode(), "csv")
    assert not found.users
    [problem] = found.problems
    assert (problem.field, problem.kind) == ("file", "error") and says in problem.reason


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("Lang, Ada", "Ada Lang"), ("von Öl, Cy", "Cy von Öl"), ("King, Jr.", "King, Jr."), ("Who, PhD", "Who, PhD"),
        ("Lang, Ada, Dr.", "Lang, Ada, Dr."), ("Lang,", "Lang,"),
    ],
)  # fmt: skip
def test_last_names_that_stand_first_are_turned_round(name: str, full: str) -> None:
    found = Checked(f'username,email,full_name\na,a@c.test,"{name}"\n'.encode(), "csv")
    assert found.users["a"]["full_name"] == full
    assert len(found.problems) == (name != full)


def test_of_several_addresses_in_a_cell_the_first_is_taken_and_said() -> None:
    found = Checked(b"username,email,full_name\na,a@c.test; b@c.test,A\n", "csv")
    assert found.users["a"]["email"] == "a@c.test" and "several addresses" in found.problems[0].reason


def test_the_work_s_address_goes_before_another() -> None:
    found = Checked(b"username,Email,Work Email,full_name\na,home@c.test,a@c.test,A\nb,b@c.test,,B\n", "csv")
    assert {name: one["email"] for name, one in found.users.items()} == {"a": "a@c.test", "b": "b@c.test"}


def test_a_column_of_users_that_has_names_of_people_is_one_of_names() -> None:
    content = "User id,User name,email,User status\n1:a,Ada Lang,a@c.test,Active\n1:b,Bo Berg,b@c.test,Deactivated\n"
    found = Checked(content.encode(), "csv")
    assert found.statuses == {"a@c.test": "active", "b@c.test": "inactive"}
    assert found.users["a@c.test"]["full_name"] == "Ada Lang"


@pytest.mark.parametrize(
    "row",
    [
        "sommer,,Anna Sommer,inactive", "summers,,Jo,inactive", "total,,Anna Total,inactive",
        "Total Rewards,,bo,inactive",
        "Sommer,a@c.test,Anna,active,x,y", "count,a@c.test,Anna,active,x,y", "sommer,a@c.test,Anna", "summe,s@c.test",
    ],
)  # fmt: skip
def test_a_person_who_is_called_like_a_total_is_refused_and_not_left_out(row: str) -> None:
    found = Checked(f"username,email,full_name,status\nada,b@c.test,Ada,active\n{row}\n".encode(), "csv")
    assert (list(found.users), found.failed, found.skipped) == (["ada"], 1, 0), found.users

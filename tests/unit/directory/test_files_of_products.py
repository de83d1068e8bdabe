"""Files of users in the forms in which products write them: who comes in, under which name, with which manager."""

from __future__ import annotations

import json

import pytest

from opsteward.directory.imports.account_status import standing_kind
from support.checked_files import Checked

#: file -> (format, content, {username: (full name, status, manager as it is looked up)})
People = dict[str, tuple[str, str | None, str]]
NOBODY = "\\N"
CSVDE = (
    "DN,objectClass,ou,distinguishedName,cn,displayName,name,userAccountControl,sAMAccountName,userPrincipalName,mail,"
    "manager,department,member\r\n"
    '"OU=S,DC=c,DC=t",organizationalUnit,S,"OU=S,DC=c,DC=t",,,S,,,,,,,\r\n'
    '"CN=L\\, A,OU=S,DC=c,DC=t",top;person;organizationalPerson;user,,"CN=L\\, A,OU=S,DC=c,DC=t","L, A",Ada L,"L, A",'
    "512,ada,ada@c.test,ada@c.test,,IT,\r\n"
    '"CN=Bo,OU=S,DC=c,DC=t",top;person;organizationalPerson;user,,"CN=Bo,OU=S,DC=c,DC=t",Bo,,Bo,66050,bo,bo@c.test,,'
    '"CN=L\\, A,OU=S,DC=c,DC=t",IT,\r\n'
    '"CN=P,DC=c,DC=t",top;person;organizationalPerson;user;computer,,"CN=P,DC=c,DC=t",P,,P,4096,P$,,,,,\r\n'
    '"CN=G,DC=c,DC=t",top;group,,"CN=G,DC=c,DC=t",G,,G,,G,,,,,"CN=Bo,OU=S,DC=c,DC=t"\r\n'
)
FILES: dict[str, tuple[str, str, People]] = {
    "a report of Okta": (
        "csv",
        '"User ID","First name","Last name","Login","Primary email","Manager","Manager ID","User Status"\n'
        '"00u1","Ada","L","ada@c.test","ada@c.test","","","Active"\n'
        '"00u2","Bo","B","bo@c.test","bo@c.test","Ada L","ada@c.test","Suspended"\n'
        '"00u3","Cy","C","cy@c.test","cy@c.test","Ada L","ada@c.test","Password reset"\n',
        {
            "ada@c.test": ("Ada L", "active", ""),
            "bo@c.test": ("Bo B", "suspended", "ada@c.test"),
            "cy@c.test": ("Cy C", "active", "ada@c.test"),
        },
    ),
    "csvde": ("csv", CSVDE, {"ada": ("Ada L", "active", ""),
                             "bo": ("Bo", "inactive", "\x02cn=l\\2c a,ou=s,dc=c,dc=t")}),
    "PowerShell without addresses": (
        "csv",
        '"Enabled";"Name";"ObjectClass";"SamAccountName";"UserPrincipalName"\r\n"Falsch";"Gast";"user";"gast";"gast@c.test"\r\n',
        {"gast": ("Gast", "inactive", NOBODY)},
    ),
    "PowerShell with every name": (
        "csv",
        '"CN","DisplayName","EmailAddress","mail","Name","SamAccountName"\r\n'
        '"L A","Ada L","a@c.test","a@c.test","L A","ada"\r\n',
        {"ada": ("Ada L", None, NOBODY)},
    ),
    "a German spreadsheet": (
        "csv",
        "Benutzername;Vorname;Nachname;E-Mail-Adresse;Vorgesetzter;Konto aktiviert\nada;Ada;L;a@c.test;;ja\n"
        "bo;Bo;B;b@c.test;ada;nein\n",
        {"ada": ("Ada L", "active", ""), "bo": ("Bo B", "inactive", "ada")},
    ),
    "BambooHR": (
        "csv",
        '"Employee #","Last name, First name","First Name","Last Name","Reporting to","Supervisor EID","Work Email"\n'
        '"1","L, Ada","Ada","L","","","a@c.test"\n"2","B, Bo","Bo","B","Ada L","1","b@c.test"\n',
        {"a@c.test": ("Ada L", None, ""), "b@c.test": ("Bo B", None, "1")},
    ),
    "ADP": (
        "csv",
        "Associate ID,Payroll Name,Position Status,Work Contact: Work Email,Reports To Name,Reports To Associate ID\n"
        'A1,"L, Ada",Active,a@c.test,,\nA2,"B, Bo",Terminated,b@c.test,"L, Ada",A1\n'
        'A3,"C, Cy",Leave,c@c.test,"L, Ada",A1\n',
        {
            "a@c.test": ("Ada L", "active", ""),
            "b@c.test": ("Bo B", "inactive", "a1"),
            "c@c.test": ("Cy C", None, "a1"),
        },
    ),
    "members of Slack": (
        "csv",
        "username,email,status,billing-active,userid,fullname,displayname\nada,a@c.test,Owner,1,U1,Ada L,countess\n"
        "bo,b@c.test,Deactivated,0,U2,Bo B,bo\n",
        {"ada": ("Ada L", "active", NOBODY), "bo": ("Bo B", "inactive", NOBODY)},
    ),
    "OneLogin": (
        "csv",
        "ID,Firstname,Lastname,Email,Username,Status,Manager User ID,Samaccountname,Userprincipalname\n"
        "1,Ada,L,a@c.test,ada,Active,,,\n2,Bo,B,b@c.test,bo,Unactivated,1,,\n",
        {"ada": ("Ada L", "active", ""), "bo": ("Bo B", "pending", "1")},
    ),
    "ServiceNow": (
        "csv",
        '"user_name","name","email","active","manager","manager.user_name","sys_id"\n'
        '"ada","Ada L","a@c.test","true","","","1"\n"bo","Bo B","b@c.test","false","Ada L","ada","2"\n',
        {"ada": ("Ada L", "active", ""), "bo": ("Bo B", "inactive", "ada")},
    ),
    "SuccessFactors": (
        "csv",
        "STATUS,USERID,USERNAME,FIRSTNAME,LASTNAME,EMAIL,MANAGER\nactive,10,ada,Ada,L,a@c.test,NO_MANAGER\n"
        "inactive,11,bo,Bo,B,b@c.test,10\n",
        {"ada": ("Ada L", "active", ""), "bo": ("Bo B", "inactive", "10")},
    ),
    "no names of people": ("csv", "Username,Email\nada,a@c.test\n", {"ada": ("ada", None, NOBODY)}),
    "a name to be shown before another": (
        "ldif",
        "dn: CN=L,DC=c\nobjectClass: user\ncn: L\ndisplayName: Ada L\nsAMAccountName: ada\nmail: a@c.test\n",
        {"ada": ("Ada L", None, NOBODY)},
    ),
    "a realm of Keycloak": (
        "json",
        json.dumps(
            {
                "realm": "r",
                "roles": {"realm": []},
                "groups": [{"name": "g"}],
                "users": [
                    {"username": "bo", "enabled": False, "firstName": "Bo", "email": "b@c.test",
                     "attributes": {"manager": ["ada"], "department": ["R"], "phones": ["1", "2"]}}
                ],
                "clients": [{"clientId": "c"}],
            }
        ),
        {"bo": ("Bo", "inactive", "ada")},
    ),
    "GitLab": (
        "json",
        json.dumps([{"username": "ada", "name": "Ada L", "state": "blocked_pending_approval", "email": "a@c.test"}]),
        {"ada": ("Ada L", "inactive", NOBODY)},
    ),
    "Workday": (
        "json",
        json.dumps(
            {"Report_Entry": [{"Employee_ID": "2", "Legal_First_Name": "Bo", "Primary_Work_Email": "b@c.test",
                               "Active_Status": "0", "Manager_ID": "1"}]}
        ),
        {"b@c.test": ("Bo", "inactive", "1")},
    ),
    "AWS Identity Center": (
        "json",
        json.dumps(
            {"Users": [{"UserName": "bo", "DisplayName": "Bo B", "UserStatus": "DISABLED", "IdentityStoreId": "d",
                        "Emails": [{"Value": "x@c.test"}, {"Value": "b@c.test", "Primary": True}]}]}
        ),
        {"bo": ("Bo B", "inactive", NOBODY)},
    ),
    "Cognito": (
        "json",
        json.dumps(
            {"Users": [{"Username": "bo", "Enabled": True, "UserStatus": "CONFIRMED", "Attributes": [
                {"Name": "email", "Value": "b@c.test"}, {"Name": "given_name", "Value": "Bo"}]}]}
        ),
        {"bo": ("Bo", "active", NOBODY)},
    ),
    "Okta's users": (
        "json",
        json.dumps([{"id": "0", "status": "ACTIVE", "profile": {
            "login": "b@c.test", "email": "b@c.test", "firstName": "Bo", "managerId": "ada", "manager": "Ada L"}}]),
        {"b@c.test": ("Bo", "active", "ada")},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_people_come_in_as_they_are(name: str) -> None:
    file_format, content, people = FILES[name]
    found = Checked(content.encode(), file_format)
    came = {
        name: (user["full_name"], None if user["status"] == "\\N" else user["status"], user["manager"])
        for name, user in found.users.items()
    }
    wanted = {key: (full, status, manager.replace("\\", "\\\\") if manager != NOBODY else manager)
              for key, (full, status, manager) in people.items()}  # fmt: skip
    assert came == wanted, (found.problems, found.notes)
    assert found.failed == 0


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ("kontoaktiviert", "in use"), ("isaccountdisabled", "disabled"), ("activeyn", "in use"),
        ("positionstatus", "state"), ("lifecyclestatus", "state"),
        ("comptedesactive", "disabled"), ("prohibitlogin", "disabled"),
        ("usersuspended", "suspended"), ("maritalstatus", None), ("useractivity", None),
        ("lastloginstatus", None), ("status", None), ("username", None),
    ],
)  # fmt: skip
def test_columns_speak_of_accounts_by_their_form(column: str, kind: str | None) -> None:
    assert standing_kind(column) == kind


@pytest.mark.parametrize("state", ["CA", "OK", "Normal", "Oregon", "NO", "on leave", "Elternzeit"])
def test_what_may_be_another_state_says_nothing(state: str) -> None:
    found = Checked(f"username,email,full_name,state\na,a@c.test,A,{state}\n".encode(), "csv")
    assert found.statuses == {"a": None}

"""Engines of integrations: planted drift, mappings between real schemas, and payloads that are hostile."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest
from pydantic import ValidationError
from work import done

from opsteward.crew.engines.arrays import np
from opsteward.crew.engines.integrations.matching import best_pairs


def _orders(count: int, seed: int) -> list[dict[str, Any]]:
    dice = random.Random(seed)
    return [
        {
            "id": f"{number:08x}-0000-4000-8000-000000000000",
            "status": dice.choice(["open", "paid", "shipped"]),
            "total": round(dice.uniform(5, 90), 2),
            "duration": round(dice.uniform(1, 9), 2),
            "customer": {"email": f"u{number}@shop.example", "phone": None if dice.random() < 0.3 else "+49 30 12345"},
            "lines": [{"sku": f"s{dice.randrange(90)}", "count": dice.randrange(1, 5)} for _ in range(2)],
            **({"note": "x"} if dice.random() < 0.2 else {}),
        }
        for number in range(count)
    ]  # fmt: skip


def _changes(after: list[dict[str, Any]], before: list[dict[str, Any]] | None = None) -> dict[str, str]:
    found = done("integrations.contract_drift", before=before or _orders(60, 1), after=after)
    return {one["path"]: one["kind"] for one in found["changes"]}


def test_the_same_kind_of_payloads_has_not_drifted() -> None:
    for size in (2, 10, 60):
        found = done("integrations.contract_drift", before=_orders(60, 1), after=_orders(size, 2))
        assert found["changes"] == []
        assert found["compatible"]


def test_planted_drift_is_told_by_kind() -> None:
    after = _orders(60, 2)
    for number, order in enumerate(after):
        order["total"] = str(order["total"])
        order["duration"] *= 1000
        order["id"] = number
        order["extra"] = True
        order["status"] = "cancelled" if number % 4 == 0 else order["status"]
        order["customer"]["email"] = None if number % 5 == 0 else order["customer"]["email"]
        for line in order["lines"]:
            line["quantity"] = line.pop("count")
        if number % 3 == 0:
            del order["customer"]["phone"]
    assert _changes(after) == {
        "total": "type",
        "id": "type",
        "duration": "unit",
        "extra": "added",
        "status": "enum",
        "customer.email": "nullable",
        "customer.phone": "optional",
        "lines[].count": "renamed",
    }


def test_a_rare_field_that_did_not_come_is_not_called_removed() -> None:
    after = _orders(5, 2)
    for order in after:
        order.pop("note", None)
    assert _changes(after) == {}
    many = _orders(60, 3)
    for order in many:
        order.pop("note", None)
    assert _changes(many) == {"note": "removed"}


def test_a_removed_object_is_told_once_and_a_format_that_changed_is_told() -> None:
    after = _orders(30, 2)
    before = _orders(30, 1)
    for number, order in enumerate(before):
        order["at"] = f"2026-01-{number % 28 + 1:02}"
    for order in after:
        del order["customer"]
        order["at"] = "01.02.2026"
    assert _changes(after, before) == {"customer": "removed", "at": "format"}


@pytest.mark.parametrize(
    "payload", [{}, {"": {"": 1}}, {"a.b": {"c[]": [[[1]], []]}}, {"a": [1, "x", None, {"b": 1}]}, {"n": 10**400}]
)
def test_strange_payloads_are_compared_with_themselves(payload: dict[str, Any]) -> None:
    assert _changes([payload] * 3, [payload] * 3) == {}


def test_payloads_too_deep_or_too_many_are_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(40):
        deep = {"a": deep}
    for sent in ([deep], [{"a": list(range(1_000_001))}]):
        with pytest.raises(ValidationError, match="more than"):
            done("integrations.contract_drift", before=sent, after=[{}])


FIRST = ["Anna", "Ben", "Clara", "David", "Eva", "Finn", "Gina", "Hugo"]
LAST = ["Adler", "Braun", "Claus", "Dorn", "Engel", "Fuchs", "Graf", "Huber"]


def _people(size: int = 8) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    ldap, hr = [], []
    for number in range(size):
        first, last = FIRST[number], LAST[number]
        ldap.append({
            "uid": f"{first[0]}{last}".lower(), "givenName": first, "sn": last, "mail": f"{first}.{last}@corp.example",
            "telephoneNumber": f"+49 30 55512{number:02}", "departmentNumber": f"D{number % 3}", "l": "Berlin",
        })  # fmt: skip
        hr.append({
            "employee_id": 100 + number, "first_name": first, "last_name": last, "name": f"{first} {last}",
            "work_email": f"{first}.{last}@corp.example".lower(), "phone_no": f"0049305551 2{number:02}",
            "cost_center": f"D{number % 3}", "hired": f"0{number + 1}.02.2020", "login": f"{first[0]}{last}".lower(),
        })  # fmt: skip
    random.Random(3).shuffle(hr)
    return ldap, hr


def test_a_directory_is_mapped_onto_a_personnel_system_by_the_people_on_both_sides() -> None:
    ldap, hr = _people()
    found = done("integrations.field_mapping", source=ldap, target=hr)
    mapping = {one["target"]: (tuple(one["source"]), one["transform"]) for one in found["mapping"]}
    assert mapping["first_name"] == (("givenName",), "copy")
    assert mapping["last_name"] == (("sn",), "copy")
    assert mapping["login"] == (("uid",), "copy")
    assert mapping["work_email"] == (("mail",), "lower")
    assert mapping["phone_no"] == (("telephoneNumber",), "digits")
    assert mapping["name"] == (("givenName", "sn"), "join")
    assert mapping["cost_center"][0] == ("departmentNumber",)
    assert "hired" in found["unmapped_target"]
    assert "employee_id" in found["unmapped_target"]
    assert found["unmapped_source"] == ["l"]
    assert found["matched_records"] == 8
    assert found["key"]["target"] in {"login", "work_email"}


def test_names_and_types_do_where_the_target_has_no_records_and_required_ones_are_missed() -> None:
    ldap, _ = _people()
    fields = [
        {"name": "userName", "required": True}, {"name": "emails.value", "type": "email"},
        {"name": "name.familyName"}, {"name": "birthDate", "type": "date", "required": True},
    ]  # fmt: skip
    found = done("integrations.field_mapping", source=ldap, target_fields=fields)
    mapping = {one["target"]: one["source"] for one in found["mapping"]}
    assert mapping == {"userName": ["uid"], "emails.value": ["mail"], "name.familyName": ["sn"]}
    assert found["missing_required"] == ["birthDate"]


def test_nothing_is_mapped_by_accident() -> None:
    source = [{"colour": "red", "weight": number * 1.5} for number in range(20)]
    target = [{"latitude": 50 + number / 7, "owner": f"person {number}"} for number in range(20)]
    assert done("integrations.field_mapping", source=source, target=target)["mapping"] == []


def test_the_best_pairs_are_the_best_of_all_pairings() -> None:
    dice = np.random.default_rng(1)
    for shape in ((4, 4), (3, 5), (5, 3), (1, 4), (4, 1)):
        scores = dice.random(shape)
        found = sum(scores[pair] for pair in best_pairs(scores))
        tall = scores if shape[0] <= shape[1] else scores.T
        best = max(
            sum(tall[row, column] for row, column in enumerate(chosen))
            for chosen in itertools.permutations(range(tall.shape[1]), tall.shape[0])
        )
        assert found == pytest.approx(best)

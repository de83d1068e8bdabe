"""What each role finds on the pages of an instance in use: nobody is offered a form that would be refused."""

from __future__ import annotations

import re

import pytest

from opsteward.accounts.permissions import ROLES, SIGNED_IN
from opsteward.console.routes import ROUTES

from .conftest import Served
from .populated import every_page
from .test_console_access import browser
from .test_console_pages import submit

#: What is decided inside of a form's function, by what is given.
_DECIDED_INSIDE = {"/console/pause": ("controls.write",), "/console/resume": ("controls.write",)}
_OTHERS = {"/sign-out"}


@pytest.fixture(scope="module")
def in_use(served: Served, standing_orders: None) -> list[str]:
    """Every page of an instance in use."""
    return every_page(served)


def needs_of(address: str) -> tuple[str, ...]:
    """What the form at this address demands."""
    path = address.partition("?")[0].partition("#")[0]
    here = [route for route in ROUTES if route.method == "POST" and route.pattern.fullmatch(path)]
    assert here, f"no form is taken at {address}"
    return _DECIDED_INSIDE.get(path, here[0].needs)


def forms_of(page: str) -> set[str]:
    """The addresses that the forms of a page are sent to."""
    forms = [tag for tag in re.findall(r"<form\b[^>]*>", page) if 'method="post"' in tag]
    to = [found[1] for tag in forms if (found := re.search(r'action="([^"]*)"', tag))]
    return {*to, *re.findall(r'formaction="([^"]*)"', page), *re.findall(r'hx-post="([^"]*)"', page)} - _OTHERS


@pytest.mark.parametrize("role", ["viewer", "auditor", "approver", "operator", "admin"])
def test_a_role_is_offered_only_forms_that_it_may_send(served: Served, in_use: list[str], role: str) -> None:
    may = ROLES[role] | {SIGNED_IN}
    wrong, offered = [], set()
    with browser(served) as admin, browser(served, served.operator(f"r-{role}", role)) as one:
        submit(admin, "/console/pause", what="task_type:opsteward.echo", reason="a test")
        try:
            for path in in_use:
                answer = one.get(path)
                assert answer.status_code in (200, 403), path
                if answer.status_code == 403:
                    continue
                forms = forms_of(answer.text)
                offered |= forms
                wrong += [(path, form) for form in sorted(forms) if not may.issuperset(needs_of(form))]
        finally:
            submit(admin, "/console/resume", what="task_type:opsteward.echo")
    assert wrong == []
    assert {"/standing-orders/check"} <= offered
    if role in ("operator", "admin"):
        assert len(offered) > 25, "the pages are in use"

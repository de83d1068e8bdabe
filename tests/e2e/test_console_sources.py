"""Sources, heartbeats and applications in the console: an address to copy, what came, and a mapping tried first."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from uuid import uuid4

import httpx
import pytest

from .conftest import Served
from .test_console_access import browser
from .test_console_pages import HOSTILE, said, submit

FORMS = """
shapes:
  - when: alarm
    title: alarm.label
    severity: alarm.grade
    severity_map: {red: high}
    identity: "[alarm.id]"
"""


@pytest.fixture
def admin(served: Served) -> Iterator[httpx.Client]:
    """The first operator's browser session, over plain HTTP."""
    with browser(served) as one:
        yield one


@pytest.fixture
def source(admin: httpx.Client) -> str:
    """The page of a source that nothing ships for."""
    answer = submit(admin, "/sources", slug=f"plc-{uuid4().hex[:6]}", title="The mill's controller")
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def send(served: Served, source: str, body: object) -> None:
    with served.api() as api:
        api.post(f"/api/v1/intake/{source.rpartition('/')[2]}", json=body).raise_for_status()


def test_a_body_of_unknown_form_is_kept_mapped_on_a_trial_saved_and_taken_again(
    served: Served, admin: httpx.Client, source: str
) -> None:
    label = f"Press {uuid4().hex[:6]} {HOSTILE}"
    send(served, source, {"alarm": {"label": label, "grade": "red", "id": 7}, "note": "x"})
    page = admin.get(source).text
    assert f"{served.url}/api/v1/intake/{source.rpartition('/')[2]}" in page
    assert "unknown form" in page
    kept = re.search(rf"{source}/bodies/[0-9a-f-]{{36}}", page)
    assert kept is not None
    shown = admin.get(kept[0]).text
    assert label in unescape(shown) and "<script>window" not in shown

    at = f"{source}/mapping?body={kept[0].rpartition('/')[2]}"
    beside = unescape(admin.get(at).text)
    assert label in beside
    fields = {"sample": '{"alarm": {"label": "Press 9", "grade": "red", "id": 7}}', "kind": "application/json"}
    by_names = submit(admin, f"{source}/mapping/try", text="", **fields)
    assert "No form fits" in by_names.text
    tried = submit(admin, f"{source}/mapping/try", text=FORMS, **fields)
    assert "Read by form 1" in tried.text and "high" in tried.text and "Press 9" in tried.text
    assert "unknown form" in admin.get(source).text, "nothing is stored by a trial"

    saved = submit(admin, f"{source}/mapping", text=FORMS, body=kept[0].rpartition("/")[2], sample="", kind="")
    assert saved.headers["location"] == kept[0]
    again = said(admin, submit(admin, f"{kept[0]}/read"))
    assert "1 event is taken" in again and "known form" in again
    assert "<dd>high</dd>" in admin.get(kept[0]).text
    assert "alarm.label" in unescape(admin.get(f"{source}/mapping").text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("shapes: [", "bracket is opened here"),
        ("shapes:\n  - titel: x", "Line 2: shapes.0.titel is no field here"),
        ("shapes:\n  - title: '[['", "is no JMESPath"),
        ("shapes: &a [*a]", "anchors and aliases"),
        ("shapes: 7", "is no list"),
        ("forms: []", "is no list"),
        ("shapes:\n  - just words", "is no object"),
    ],
)
def test_faulty_forms_are_refused_by_their_line_and_the_words_are_kept(
    admin: httpx.Client, source: str, text: str, words: str
) -> None:
    answer = submit(admin, f"{source}/mapping/try", text=text, sample='{"a": 1}')
    assert answer.status_code == 422
    assert words in unescape(answer.text)
    assert text in unescape(answer.text)
    assert submit(admin, f"{source}/mapping", text=text, sample="").status_code == 422


def test_an_expression_that_asks_for_more_than_any_machine_has_ends_alone(admin: httpx.Client, source: str) -> None:
    admin.timeout = httpx.Timeout(90)  # a second of a processor may take long on a machine that does other things
    big = "[" + ",".join("1" for _ in range(200)) + "]"
    deep = "[*]" + ".[@,@][]" * 40  # each doubles them: no machine has 200 * 2**40, however fast it is
    text = f'shapes:\n  - title: "to_string(items{deep})"\n'
    answer = submit(admin, f"{source}/mapping/try", text=text, sample=big)
    assert answer.status_code == 422
    assert "takes too" in answer.text or "takes more" in answer.text
    assert admin.get("/sources").status_code == 200


def test_a_test_is_sent_refusals_are_told_and_a_signed_source_takes_none(
    served: Served, admin: httpx.Client, source: str
) -> None:
    sent = said(admin, submit(admin, f"{source}/test", sample='{"title": "Sent by hand", "severity": "low"}'))
    assert "1 event is taken" in sent and "Sent by hand" in sent
    assert submit(admin, f"{source}/test", sample="{").status_code in (400, 422)
    assert submit(admin, f"{source}/test", sample="").status_code == 422
    with served.api() as api:
        assert api.post(f"/api/v1/intake/{source.rpartition('/')[2]}", content=b'{"a": ').status_code == 400
    assert "Last refused: body: is no JSON: it ends too early" in admin.get(source).text
    assert submit(admin, f"{source}/settings", secret="short").status_code == 422
    assert "topics" in submit(admin, f"{source}/settings", topics="arn:nonsense").text
    grafana = "/sources/grafana"
    assert "takes only what is signed" in said(admin, submit(admin, f"{grafana}/settings", secret="quite-a-secret"))
    assert "quite-a-secret" not in admin.get(grafana).text
    assert submit(admin, f"{grafana}/test", sample="{}").status_code == 409
    with served.api() as api:
        assert api.post("/api/v1/intake/grafana", json={"title": "forged"}).status_code in (401, 403)
    assert "refused" in admin.get(grafana).text
    assert "/sources/grafana" in admin.get("/sources?show=trouble").text
    after = said(admin, submit(admin, f"{grafana}/reset"))
    assert "takes only what is signed" not in after
    assert submit(admin, f"{grafana}/reset").status_code == 404


def test_all_known_sources_are_found_by_name_and_strange_ones_are_not(admin: httpx.Client, source: str) -> None:
    everything = admin.get("/sources?show=all").text
    assert everything.count('<tr id="s-') > 30
    assert "Grafana" in admin.get("/sources?show=all&ref=graf").text
    assert source in admin.get("/sources").text
    by_name = admin.get("/sources?show=all&sort=name")
    assert re.search(r'aria-sort="ascending"><a href="/sources\?show=all&amp;sort=-name">Source', by_name.text)
    names = [
        unescape(one).casefold() for one in re.findall(r'class="title" href="/sources/[^"]+">([^<]+)<', by_name.text)
    ]
    assert names == sorted(names)
    assert admin.get("/sources/no-such-source").status_code == 404
    assert admin.get(f"{source}/bodies/x").status_code == 404
    assert admin.get(f"{source}/mapping?body=x").status_code == 404
    assert admin.get("/sources?show=odd").status_code == 422
    assert submit(admin, "/sources", slug="grafana").status_code == 409
    assert submit(admin, "/sources", slug="No Name").status_code == 422


def test_a_heartbeat_is_expected_called_given_a_new_address_and_forgotten(served: Served, admin: httpx.Client) -> None:
    name = f"backup-{uuid4().hex[:6]}"
    assert submit(admin, "/heartbeats", name=name, every="x", unit="hours", grace="5").status_code == 422
    assert submit(admin, "/heartbeats", name=name, cron="never", grace="5").status_code == 422
    made = submit(admin, "/heartbeats", name=name, every="2", unit="hours", grace="5")
    address = re.search(r'id="secret">([^<]+/ping/[^<]+)<', made.text)
    assert address is not None and "crontab" in made.text
    assert "never called" in admin.get("/heartbeats").text
    assert httpx.get(address[1], timeout=15).text == "OK\n"
    row = admin.get("/heartbeats").text
    assert "every 2 h" in row and address[1].rpartition("/")[2] not in row
    here = re.search(r"/heartbeats/[0-9a-f-]{36}", row[row.index(name) :])
    assert here is not None
    renewed = re.search(r'id="secret">([^<]+)<', submit(admin, f"{here[0]}/key").text)
    assert renewed is not None and renewed[1] != address[1]
    assert httpx.get(address[1], timeout=15).status_code == 404
    assert f"{name} is expected no more" in said(admin, submit(admin, f"{here[0]}/remove"))
    assert submit(admin, f"{here[0]}/remove").status_code == 404


def test_an_application_gets_a_dsn_another_and_none(admin: httpx.Client) -> None:
    name = f"shop {uuid4().hex[:6]}"
    made = submit(admin, "/applications", name=name)
    dsn = re.search(r'id="secret">(http://[^@<]+@[^<]+/\d+)<', made.text)
    assert dsn is not None and "SENTRY_DSN=" in made.text
    assert submit(admin, "/applications", name=name).status_code == 409
    page = admin.get("/applications").text
    assert dsn[1] not in page
    here = re.search(r"/applications/[0-9a-f-]{36}", page[page.index(name) :])
    assert here is not None
    assert "the DSN before is taken until" not in page
    assert 'id="secret">' in submit(admin, f"{here[0]}/rotate", grace="24").text
    assert "the DSN before is taken until" in admin.get("/applications").text
    assert submit(admin, f"{here[0]}/rotate", grace="9").status_code == 422
    assert f"Nothing is taken by the DSN of {name}" in said(admin, submit(admin, f"{here[0]}/remove"))

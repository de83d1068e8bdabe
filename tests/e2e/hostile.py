"""Words that break pages, in every field that a user or a source can set: as they come, and as long as they may be."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

from opsteward.core.clock import now

from .conftest import Served

#: Runs as a script or an image where it is not escaped, shows 49 where it is a template, turns what follows around,
#: takes no room, takes several characters for one, and is a link where somebody makes one.
LIVE = (
    "<script>window.pwned=1</script><img src=x onerror=window.pwned=2>{{7*7}}\u202egnp\u200b\U0001f468\u200d\U0001f680 "
)
LINK = "javascript:window.pwned=3"
_UNSEEN = re.compile("[\u202e\u200b\u200d]")
_NOWHERE = "json://127.0.0.1:9/"


def words(most: int) -> str:
    """Live words, and behind them one that has no place to break it: so many characters in all."""
    return (LIVE + LINK + " ' \" </textarea></pre></svg> " + "W" * most)[:most]


def name(tag: str, most: int) -> str:
    """The same without what names may not hold: characters that take no room or turn the direction."""
    visible = _UNSEEN.sub("", words(most))
    return f"{tag} {visible}"[:most]


def plant(served: Served) -> list[str]:
    """One of each thing with such words wherever it takes words; gives the addresses of their pages."""
    tag = uuid4().hex[:6]
    later = (now() + timedelta(hours=1)).isoformat()
    with served.api() as api:

        def post(path: str, **body: Any) -> dict[str, Any]:
            answer = api.post(f"/api/v1/{path}", json=body)
            assert answer.is_success, (path, answer.text)
            return dict(answer.json()) if answer.content else {}

        labels = {"runbook_url": LINK, "note": words(200), words(60): LINK}
        taken = served.send(
            message=words(10_000), source=words(200), error_type=words(200), severity="high", stack_trace=words(10_000),
            context={words(100): {"deep": [words(2_000)]}, "url": LINK, "labels": labels},
        )  # fmt: skip
        incident = f"incidents/{taken['incident_id']}"
        post(f"{incident}/comments", text=words(10_000))
        closed = served.send(message=words(500), source="w", error_type="W" * 200, severity="low")
        post(f"incidents/{closed['incident_id']}/resolve", reason=words(2_000))
        user = post("users", username="w" * 190 + tag, email=f"{tag}{'w' * 50}@{'w' * 60}.example",
                    full_name=name(tag, 255), department=name(tag, 200), tags=[name(tag, 50)],
                    profile_data={words(100): words(2_000)})  # fmt: skip
        post(f"users/{user['id']}/grants", kind="permission", name="crm.read", reason=words(2_000))
        review = post("access-reviews", name=name(tag, 200))
        system = post("systems", name="w" * 90 + tag, type="api", endpoint=f"http://127.0.0.1:9/{'w' * 1_000}",
                      settings={"note": words(500)})  # fmt: skip
        post("maintenance-windows", system_id=system["id"], reason=words(500), ends_at=later)
        post("silences", matchers=[f"source={json.dumps(words(150))}"], reason=words(2_000), ends_at=later)
        post("inhibitions", name=name(tag, 100), source=['source="none"'], target=['severity="low"'], equal=["w" * 50],
             reason=words(500))  # fmt: skip
        task = post(
            "tasks", task_type="opsteward.echo", name=name(tag, 200), delay=3600, parameters={"message": words(900)}
        )
        post("schedules", name=name(tag, 200), cron="0 3 * * *", task={"task_type": "opsteward.echo"})
        post("heartbeats", name="h" * 90 + tag, period=3600)
        post("intake/generic", alarm={"label": words(2_000), "url": LINK, words(100): words(100)})
        post("sources", slug="w" * 30 + tag, title=name(tag, 100), shapes=[{"title": "alarm.label"}])
        post("sentry-projects", name=name(tag, 100))
        post("operators", name="W" * 90 + tag, roles=["viewer"])
        post("tokens", name=name(tag, 100))
        post("help/ask", question=words(500))
        added = api.post("/api/v1/help/documents", params={"name": "w" * 200 + f"{tag}.md"},
                         content=f"# {words(500)}\n\n[{words(100)}]({LINK})\n\n{words(20_000)}".encode())  # fmt: skip
        document = added.raise_for_status().json()["documents"][0]["id"]
        api.put(f"/api/v1/notifications/routes/{'w' * 50}{tag}", json={"urls": [_NOWHERE]}).raise_for_status()
    return [
        f"/{incident}", f"/incidents/{closed['incident_id']}", f"/users/{user['id']}",
        f"/users/{user['id']}/role?role=x", f"/access-reviews/{review['id']}", f"/systems/{system['id']}",
        f"/tasks/{task['id']}", f"/sources/{'w' * 30}{tag}", f"/help/documents/{document}",
    ]  # fmt: skip

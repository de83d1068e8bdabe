import json, os, re
from datetime import timedelta
from pathlib import Path
from support.clinic import clinic
from opsteward.core.clock import now
ROOT = Path(__file__).parent.parent.parent / "evals/help/live"
REFUSING = ("no such", "there is no", "don't know", "nothing", "not registered", "no active user", "called", "can't tell", "you may not")

def filled(text, at):
    def one(m):
        kind, plus, days = m[1], m[2], int(m[3])
        day = at + timedelta(days=days if plus else -days)
        return {"wd": day.strftime("%A"), "iso": day.date().isoformat(), "d": f"{day.day} {day:%B}"}[kind]
    return re.sub(r"\{(wd|iso|d)(\+?)(\d+)\}", one, text)

def holds(answer, part):
    low, part = answer.casefold(), part.strip().casefold()
    if part.startswith("!"):
        return part[1:].strip() not in low
    return any(c.strip() in low for c in part.removeprefix("/").split("/")) if "://" not in part and "/var" not in part and "/healthz" not in part and "wiki" not in part else part in low

async def test_set(instance):
    c = await clinic(instance)
    at = now()
    http = {"owner": c.tenant.http, "viewer": c.people["clara"].http}
    for name in os.environ.get("SETS", "set1").split(","):
        tally = {}
        for line in (ROOT / f"{name}.txt").read_text().splitlines():
            if not line or line.startswith("#"): continue
            q, _, held = line.partition("|")
            q, held = filled(q.strip(), at), filled(held.strip(), at)
            answer = (await http[os.environ.get("WHO","owner")].post("/api/v1/help/ask", json={"question": q})).json()
            if "answer" not in answer: print(q, answer); continue
            text = answer["answer"] + " " + " ".join(x["url"] for x in answer["citations"])
            refuses = not answer["known"] or any(w in answer["answer"].casefold() for w in REFUSING)
            if held == "~":
                ok = refuses
            else:
                ok = answer["engine"] == "live" and answer["known"] and all(holds(text, p) for p in held.split("&"))
            kind = "right" if ok else "unknown" if not answer["known"] else "document" if answer["engine"] != "live" else "wrong"
            tally[kind] = tally.get(kind, 0) + 1
            if kind != "right":
                print(f"{kind.upper():9}| {q} | {held}\n      -> {answer['answer'][:260]!r}")
        print("TALLY", name, tally)

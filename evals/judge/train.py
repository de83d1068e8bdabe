"""Train the judge (`src/opsteward/events/rules/judge_model.bin`) on the examples beside this file.

    python evals/judge/train.py [--check]

The examples are written for this purpose: `program: text`, with places for values (`{ip}`, `{user}`) and alternatives
(`[a|b]`). Each is put into several variants, as it comes alone, behind a syslog head, with a level, or from a program
of another name, so that the model learns what is said and not who says it. What words mean comes from the static
vectors that ship for searching; of them only what each word adds to each category is left in the model. Some lines get
an order to a judge (`orders.txt`), whatever they tell of, so that the words of orders weigh nothing. No measuring data
is read here. `--check` only prints the cross-validation, in which whole programs are left out. Needs scikit-learn.
"""

from __future__ import annotations

import json
import math
import random
import re
import struct
import sys
import zlib
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix, hstack
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import GroupKFold

from opsteward.core.word_list import words
from opsteward.events.judge_model import BUCKETS, pair_feature, word_features, words_of_event
from opsteward.help.vectors import shipped_vectors

EXAMPLES = Path(__file__).with_name("examples")
MODEL = Path(__file__).resolve().parents[2] / "src" / "opsteward" / "events" / "rules" / "judge_model.bin"
CATEGORIES = ["ignorable", "security_issue", "system_error", "validation_error"]
VARIANTS = 6
STRENGTH = 2.5  # C of the regression: the less, the more it is held back
VERSION = "3"
WORDS_KEPT = 10_000  # of the words whose meaning is known, those that add most
ORDERED = 0.05  # share of lines that get an order
_NATIVE = frozenset(
    words("""app access alert mail webmail groupware login antispam camera honeypot config cli proxy""")
)
_LEVELS = {
    "ignorable": ["INFO", "info", "NOTICE", "DEBUG", "LOG", "WARN", "warning"],
    "security_issue": ["INFO", "WARN", "warning", "error", "NOTICE", "ERROR", "info"],
    "system_error": ["ERROR", "error", "CRITICAL", "FATAL", "WARN", "warning", "INFO"],
    "validation_error": ["ERROR", "error", "WARN", "info", "INFO"],
}
_NAMES = words("""
    alice bob root admin carol dave oracle test guest www postgres ubuntu pi deploy git erin frank info sales
    support nagios ftp backup user1 operator maria jsmith""")
_WORDS = words("""total alpha qty shipment zone beta foo price omega label region note stock colour gamma batch widget
    amount rank delta title kiwi margin""")
_PROGRAMS = words(
    """relayd batchd orderd gatewayd imaged stored feedd queued mixerd agentd portald syncd ledgerd metrod"""
)


def value(name: str, dice: random.Random) -> str:
    number = dice.randint(1, 65_000)
    ip = ".".join(str(dice.randint(1, 254)) for _ in range(4))
    word, user = dice.choice(_WORDS), dice.choice(_NAMES)
    return {
        "ip": ip, "n": str(dice.randint(0, 10 ** dice.randint(1, 6))), "port": str(number), "user": user,
        "host": dice.choice([f"{word}{number % 9}", f"{word}.example.net", "localhost", f"srv-{word}"]),
        "domain": f"{word}.example.{dice.choice(['com', 'org', 'net'])}", "email": f"{user}@{word}.example.com",
        "path": dice.choice([f"/var/lib/{word}", f"/srv/{word}/{user}", f"/etc/{word}.conf", f"/home/{user}"]),
        "file": f"{word}.{dice.choice(['dat', 'log', 'php', 'csv', 'bin'])}", "db": f"{word}_db", "table": f"{word}s",
        "url": f"http://{word}.example.com/{user}?id={number}", "id": f"{dice.getrandbits(48):x}", "junk": word,
        "time": dice.choice(["2026-03-01 10:00:00", "01/Mar/2026:10:00:00 +0000", "10:00:01"]),
        "dev": dice.choice(["sda1", "eth0", "tty1", "nvme0n1", "sdb"]), "svc": dice.choice([word, user, "web", "api"]),
        "mac": ":".join(f"{dice.getrandbits(8):02x}" for _ in range(6)),
    }[name]  # fmt: skip


def filled(text: str, dice: random.Random) -> str:
    text = one_of_each(text, dice)
    return re.sub(r"(?<!\$)\{(\w+)\}", lambda m: value(m[1], dice) if m[1] in _KNOWN else m[0], text)


def one_of_each(text: str, dice: random.Random) -> str:
    """One of the alternatives of each `[a|b]`; brackets that hold no `|` of their own stand as they are."""
    before, bracket, after = text.partition("[")
    depth, parts = 1, [""]
    for place, letter in enumerate(after):
        depth += (letter == "[") - (letter == "]")
        if depth == 0:
            chosen = one_of_each(dice.choice(parts), dice)
            rest = one_of_each(after[place + 1 :], dice)
            return before + (chosen if len(parts) > 1 else f"[{chosen}]") + rest
        if letter == "|" and depth == 1:
            parts.append("")
        else:
            parts[-1] += letter
    return before + bracket + (one_of_each(after, dice) if bracket else "")


_KNOWN = frozenset(words("""ip n port user host domain email path file db table url id junk time dev svc mac"""))


def variant(category: str, program: str, text: str, dice: random.Random) -> str:
    body, roll = filled(text, dice), dice.random()
    name = dice.choice(_PROGRAMS) if program in _NATIVE or roll < 0.25 else program
    head = dice.choice(
        ["", "", f"Mar  1 10:00:00 {dice.choice(_WORDS)} {name}[{dice.randint(100, 30000)}]: ", f"{name}: ",
         "2026-03-01T10:00:00Z ", f"2026-03-01 10:00:00,123 [{dice.randint(1, 99)}] "]
    )  # fmt: skip
    level = dice.choice(_LEVELS[category])
    form = dice.random()
    if form < 0.12:
        return f"{head}{level}: {body}"
    if form < 0.2:
        return f"{head}[{level}] {body}"
    if form < 0.26:
        return f'{head}level={level.lower()} msg="{body}"'
    return head + body


def examples(seed: int = 7) -> tuple[list[str], list[int], list[str]]:
    """Texts, categories, and the program each is of."""
    dice = random.Random(seed)
    texts, labels, programs = [], [], []
    for number, category in enumerate(CATEGORIES):
        for line in (EXAMPLES / f"{category}.txt").read_text(encoding="utf-8").splitlines():
            if not line or line.startswith("#"):
                continue
            program, _, text = line.partition(": ")
            wanted = max(VARIANTS, 3 * text.count("|"))  # so that hardly an alternative is never drawn
            found = {ordered(variant(category, program, text, dice), dice) for _ in range(wanted)}
            texts += sorted(found)
            labels += [number] * len(found)
            programs += [f"{program}{hash_of(text) % 12}" if program == "app" else program] * len(found)
    return texts, labels, programs


def ordered(line: str, dice: random.Random, share: float = ORDERED) -> str:
    """The line, or the line with an order before or behind it."""
    if dice.random() >= share:
        return line
    order = one_of_each(dice.choice(_ORDERS), dice)
    return f"{line}{dice.choice([' ', '. ', chr(10), ' - '])}{order}" if dice.random() < 0.6 else f"{order} {line}"


def orders(name: str) -> list[str]:
    lines = Path(__file__).with_name(name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


_ORDERS = orders("orders.txt")


def hash_of(text: str) -> int:
    return sum(text.encode())


def matrix(texts: Sequence[str]) -> csr_matrix:
    """A row for each text: its words, parts and pairs, then the sum of the vectors of its words."""
    rows, columns, values = [], [], []
    places, vectors = meanings()
    known = np.zeros((len(texts), vectors.shape[1]), dtype=np.float32)
    for row, text in enumerate(texts):
        words = words_of_event(None, text)
        norm = 1 / math.sqrt(len(words) or 1)
        buckets = [bucket for word in words for bucket in word_features(word)]
        buckets += [pair_feature(one, other) for one, other in pairwise(words)]
        rows += [row] * len(buckets)
        columns += buckets
        values += [norm] * len(buckets)
        found = [places[word] for word in words if word in places]
        known[row] = vectors[found].sum(axis=0) * norm
    return hstack([csr_matrix((values, (rows, columns)), shape=(len(texts), BUCKETS)), csr_matrix(known)]).tocsr()


@cache
def meanings() -> tuple[dict[str, int], np.ndarray]:
    """Common words with their places in the table of their directions."""
    shipped = shipped_vectors()
    if shipped is None:
        raise SystemExit("the static vectors (src/opsteward/help/data) are missing")
    words = [word for word in shipped.words if word.isascii() and word.isalpha() and len(word) > 1]
    vectors = np.array([shipped.vector(word) for word in words])
    return {word: place for place, word in enumerate(words)}, vectors - vectors.mean(axis=0)


def fitted(x: csr_matrix, y: np.ndarray) -> LogisticRegression:
    """The regression, its coefficients as wide as `x`; columns that are empty here are left out while it is fitted."""
    used = np.unique(x.indices)
    model = LogisticRegression(C=STRENGTH, max_iter=400, tol=1e-4).fit(x[:, used], y)
    wide = np.zeros((len(model.coef_), x.shape[1]))
    wide[:, used] = model.coef_
    model.coef_, model.n_features_in_ = wide, x.shape[1]
    return model


def cross_validated(x: csr_matrix, y: np.ndarray, groups: Sequence[str]) -> np.ndarray:
    """The scores of each line by a model that has seen no line of its program."""
    scores = np.zeros((len(y), len(CATEGORIES)))
    for train, test in GroupKFold(n_splits=6).split(x, y, groups):
        scores[test] = fitted(x[train], y[train]).decision_function(x[test])
    return scores


def temperature(scores: np.ndarray, y: np.ndarray) -> float:
    """By what scores are divided, so that a confidence of .8 is right in 8 of 10 cases."""

    def loss(t: float) -> float:
        z = scores / t
        z = z - z.max(axis=1, keepdims=True)
        return float(-(z[np.arange(len(y)), y] - np.log(np.exp(z).sum(axis=1))).mean())

    return min((t / 20 for t in range(6, 100)), key=loss)


def main(arguments: Sequence[str]) -> None:
    texts, labels, groups = examples()
    x, y = matrix(texts), np.array(labels)
    scores = cross_validated(x, y, groups)
    t = temperature(scores, y)
    f1 = f1_score(y, scores.argmax(axis=1), average=None)
    print(f"{len(texts)} lines of {len(set(groups))} programs; programs left out: macro-F1 {f1.mean():.3f}", end=" ")
    print({name: round(float(score), 3) for name, score in zip(CATEGORIES, f1, strict=True)}, f"temperature {t}")
    if "--check" in arguments:
        return
    MODEL.write_bytes(packed(fitted(x, y), t))
    print(f"{MODEL.name}: {MODEL.stat().st_size:,} bytes")


def packed(model: LogisticRegression, t: float) -> bytes:
    """The model as `JudgeModel` reads it."""
    places, vectors = meanings()
    table, adds = model.coef_[:, :BUCKETS], model.coef_[:, BUCKETS:] @ vectors.T
    most = np.sort(np.argsort(-np.ptp(adds, axis=0))[:WORDS_KEPT])
    words, adds = [word for place, word in enumerate(places) if place in set(most.tolist())], adds[:, most]
    table, adds = table - table.mean(axis=0), adds - adds.mean(axis=0)  # what all categories have alike tells nothing
    scale = float(max(np.abs(table).max(), np.abs(adds).max())) / 127
    head = json.dumps(
        {"version": VERSION, "categories": CATEGORIES, "bias": [round(float(b), 4) for b in model.intercept_],
         "scale": scale, "temperature": t, "words": len(words)}
    ).encode()  # fmt: skip
    numbers = b"".join(np.rint(part / scale).astype(np.int8).tobytes() for part in (table, adds))
    return struct.pack("<I", len(head)) + head + numbers + zlib.compress("\n".join(words).encode(), 9)


if __name__ == "__main__":
    main(sys.argv[1:])

"""Customers: segments, leads, churn and purchases, each beside a plain baseline on the same rows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score, roc_auc_score, silhouette_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from evals.crew.public_data import Rows, cdnow, outcomes
from evals.crew.report import Report, do

_SEEDS = range(20_000, 20_012)  # none of them was looked at while the engine was made
_FOLDS = 5


def print_segments(report: Report) -> None:
    """Planted groups of several shapes: found, their number too, and the same from halves of the customers."""
    report.section(
        "Segments: planted groups (12 sets of each shape, 2 to 7 groups), beside k-means with the best silhouette"
    )
    for shape in (
        "round",
        "of unequal spread",
        "stretched",
        "heavy-tailed",
        "even",
        "with long tails",
        "with 2 % outliers",
    ):
        ours, theirs, counts, their_counts, stable = [], [], 0, 0, []
        for seed in _SEEDS:
            rows, truth, matrix = _planted(shape, seed)
            found = do("crm.customer_segmentation", customer_data=rows)
            place = {name: number for number, one in enumerate(found.segments) for name in one.customers}
            labels = [place[str(row["customer_id"])] for row in rows]
            kept = truth >= 0
            groups = len(set(truth[kept].tolist()))
            ours.append(adjusted_rand_score(truth[kept], np.array(labels)[kept]))
            counts += found.segment_count == groups
            stable.append(found.stability if found.stability is not None else 1.0)
            plain = _by_silhouette((matrix - matrix.mean(0)) / matrix.std(0))
            theirs.append(adjusted_rand_score(truth[kept], plain[kept]))
            their_counts += len(set(plain.tolist())) == groups
        said = f"k-means {np.mean(theirs):.3f}, number found {their_counts}/12"
        report.figure(f"{shape}: adjusted Rand, number found {counts}/12", float(np.mean(ours)), said, wanted=0.9)
        report.figure(f"{shape}: agreement of halves", float(np.mean(stable)), wanted=0.9)


def _planted(shape: str, seed: int) -> tuple[Rows, np.ndarray, np.ndarray]:
    dice = np.random.default_rng(seed)
    groups, width, size = int(dice.integers(2, 8)), int(dice.integers(2, 6)), int(dice.choice([200, 400, 800]))
    while True:
        centres = dice.normal(0, 5, (groups, width))
        apart = np.linalg.norm(centres[:, None] - centres[None], axis=2) + np.eye(groups) * 99
        if apart.min() > 5:
            break
    truth = dice.choice(groups, size, p=dice.dirichlet(np.full(groups, 5)))
    noise = dice.normal(0, 1, (size, width))
    if shape == "of unequal spread":
        noise *= dice.uniform(0.4, 1.2, groups)[truth][:, None]
    elif shape == "stretched":
        turns = [
            np.linalg.qr(dice.normal(size=(width, width)))[0] * dice.uniform(0.3, 1.2, width) for _ in range(groups)
        ]
        noise = np.array([turns[group] @ one for group, one in zip(truth, noise, strict=True)])
    elif shape == "heavy-tailed":
        noise = dice.standard_t(5, (size, width)) * 0.8
    elif shape == "even":
        noise = dice.uniform(-1.7, 1.7, (size, width))
    matrix = centres[truth] + noise
    if shape == "with long tails":
        matrix = np.exp(matrix / 3)
    if shape == "with 2 % outliers":
        far = dice.random(size) < 0.02
        matrix[far] = dice.uniform(-15, 15, (int(far.sum()), width))
        truth = np.where(far, -1, truth)
    rows = [
        {"customer_id": number, **{f"f{place}": float(value) for place, value in enumerate(row)}}
        for number, row in enumerate(matrix)
    ]
    return rows, truth, matrix


def _by_silhouette(matrix: np.ndarray) -> np.ndarray:
    tried = [KMeans(count, n_init=5, random_state=0).fit_predict(matrix) for count in range(2, 11)]
    return max(tried, key=lambda labels: silhouette_score(matrix, labels, sample_size=400, random_state=0))


def print_leads(report: Report) -> None:
    """Order against known outcomes, both learned from the same part of the rows and measured on the other."""
    report.section("Lead scoring: AUC on rows left out, beside logistic regression with the same inputs")
    for name, rows, bought in (("planted leads", *_leads(20_100)), ("Caravan: who buys a policy", *_caravan())):
        ours, theirs = _left_out(rows, bought, _lead_scores)
        report.figure(f"{name} ({len(rows)})", roc_auc_score(bought, ours),
                      f"logistic regression {roc_auc_score(bought, theirs):.4f}")  # fmt: skip
    rows, bought = _leads(20_101)
    plain = do("crm.lead_scoring", lead_data=[{**row, "lead_id": n} for n, row in enumerate(rows)], top=10_000)
    scores = {one.lead: one.score for one in plain.leads}
    auc = roc_auc_score(bought, [scores[str(number)] for number in range(len(rows))])
    report.figure("planted leads by the weights alone, nothing learned", auc, "by chance 0.5")


def _leads(seed: int) -> tuple[Rows, list[bool]]:
    """Leads that buy by their role, interest and activity, with the luck of real ones."""
    dice = np.random.default_rng(seed)
    roles = {"CEO": 1.0, "Head of IT": 0.7, "Manager": 0.3, "Developer": -0.3, "Student": -1.5}
    rows, bought = [], []
    for _ in range(1500):
        role = str(dice.choice(list(roles)))
        row: dict[str, Any] = {
            "role": role,
            "engagement_score": float(dice.beta(2, 2) * 100),
            "website_visits": int(dice.poisson(4)),
            "content_downloads": int(dice.poisson(1)),
            "days_since_last_activity": float(dice.exponential(20)),
            "region": str(dice.choice(["north", "south", "east"])),
        }
        odds = (
            -2.2 + roles[role] + 0.03 * (row["engagement_score"] - 50) + 0.9 * math.log1p(row["website_visits"])
            + 0.4 * row["content_downloads"] - 0.03 * row["days_since_last_activity"] + 0.7 * (row["region"] == "south")
        )  # fmt: skip
        rows.append(row)
        bought.append(bool(dice.random() < 1 / (1 + math.exp(-odds))))
    return rows, bought


def _caravan() -> tuple[Rows, list[bool]]:
    return outcomes("ISLR", "Caravan", "Purchase", "Yes")


def _lead_scores(seen: Rows, known: list[bool], rows: Rows) -> list[float]:
    history = [{**row, "converted": outcome} for row, outcome in zip(seen, known, strict=True)]
    asked = [{**row, "lead_id": number} for number, row in enumerate(rows)]
    scores = {one.lead: one.score for one in do("crm.lead_scoring", lead_data=asked, history=history, top=10_000).leads}
    return [scores[str(number)] for number in range(len(rows))]


def _risks(seen: Rows, known: list[bool], rows: Rows) -> list[float]:
    history = [{**row, "churned": outcome} for row, outcome in zip(seen, known, strict=True)]
    asked = [{**row, "customer_id": f"asked {number}"} for number, row in enumerate(rows)]
    found = do("crm.churn_risk", customers=[*history, *asked], top=10_000)
    risks = {one.customer: one.risk for one in found.customers}
    return [risks[f"asked {number}"] for number in range(len(rows))]


def _left_out(rows: Rows, truth: list[bool], score: Any) -> tuple[np.ndarray, np.ndarray]:
    """Scores of each fifth, learned from the others; ours and logistic regression's."""
    ours, theirs = np.zeros(len(rows)), np.zeros(len(rows))
    for train, test in StratifiedKFold(_FOLDS, shuffle=True, random_state=1).split(rows, truth):
        seen, known, asked = [rows[n] for n in train], [truth[n] for n in train], [rows[n] for n in test]
        ours[test] = score(seen, known, asked)
        theirs[test] = _logistic(seen, known, asked)
    return ours, theirs


def _logistic(seen: Rows, known: list[bool], asked: Rows) -> np.ndarray:
    import pandas as pd

    frame, other = pd.DataFrame(seen), pd.DataFrame(asked)
    numeric = [name for name in frame if all(isinstance(row[name], int | float) or row[name] is None for row in seen)]
    for part in (frame, other):
        part[numeric] = part[numeric].astype(float).fillna(frame[numeric].astype(float).median())
    words = [name for name in frame if name not in numeric]
    frame[words], other[words] = frame[words].astype(str), other[words].astype(str)
    model = make_pipeline(
        make_column_transformer((StandardScaler(), numeric), (OneHotEncoder(handle_unknown="ignore"), words)),
        LogisticRegression(max_iter=2000),
    )
    model.fit(frame, known)
    return np.asarray(model.predict_proba(other)[:, 1])


def print_churn(report: Report) -> None:
    """Public customers with known outcomes; of the last three nothing was looked at but these figures."""
    report.section("Churn and buyers on public data: five folds, learned from four, measured on the fifth")
    sets = (
        ("Telco churn (modeldata/wa_churn)", outcomes("modeldata", "wa_churn", "churn", "Yes"), 0.845, 2.8),
        ("Caravan (ISLR)", _caravan(), 0.768, None),
        ("mlc_churn, held out", outcomes("modeldata", "mlc_churn", "churn", "yes"), None, None),
        ("attrition, held out", outcomes("modeldata", "attrition", "Attrition", "Yes"), None, None),
        ("credit_data, held out", outcomes("modeldata", "credit_data", "Status", "bad"), None, None),
    )
    for name, (rows, truth), auc, lift in sets:
        ours, theirs = _left_out(rows, truth, _risks)
        said = f"logistic regression {roc_auc_score(truth, theirs):.4f}"
        report.figure(f"{name}: AUC", roc_auc_score(truth, ours), said, wanted=auc)
        said = f"logistic regression {_lift(theirs, truth):.3f}"
        report.figure(f"{name}: lift of the top tenth", _lift(ours, truth), said, wanted=lift)


def _lift(scores: np.ndarray, truth: list[bool]) -> float:
    top = np.argsort(-scores, kind="stable")[: len(scores) // 10]
    return float(np.array(truth)[top].mean() / np.mean(truth))


def print_purchases(report: Report) -> None:
    """The published fit of CDNOW: r .243, alpha 4.414, a .793, b 2.426, log likelihood -9582.4."""
    report.section("Purchases: BG/NBD on CDNOW (2,357 customers), beside the published fit")
    found = do("crm.churn_risk", customers=cdnow(), horizon=39).purchase_model
    for name, published in (("r", 0.243), ("alpha", 4.414), ("a", 0.793), ("b", 2.426)):
        report.figure(name, getattr(found, name), f"published {published}", wanted=published, within=0.001)
    report.figure("log likelihood", found.log_likelihood, "published -9582.4", wanted=-9582.4, within=0.05)

"""How likely a question asks for the state of this instance, and not for what is written somewhere."""

from __future__ import annotations

import math

from opsteward.help.live.asking import Named
from opsteward.help.live.question import Question
from opsteward.help.live.vocabulary import strange_in
from opsteward.help.words import plain_words

_BEGINNINGS = """
    which who whom whose how is are was were has have did does why when list show any what whats anything anyone
    anybody status name count welche wer was wann ist sind
"""
_ASKING = frozenset(_BEGINNINGS.split())
_SCORE_LIMIT = 8.0
#: Fitted on questions of state in many people's words, and on such for documents, of evals/help among them.
_CONSTANT = -0.2
_WEIGHTS = {
    "rare": -2.7, "frequent": -2.2, "any_one": -3.2, "named": 3.3, "number": 0.5, "asks": 0.6, "now": 0.6, "any": 0.9,
    "modal": -1.0, "score": 0.7,
}  # fmt: skip


def signs(q: Question, named: Named, score: float) -> dict[str, float]:
    """What speaks for a state and against it. `score`: how much its words fit the best subject."""
    strange = strange_in(q, named.words)
    first = next(iter(plain_words(q.meant)), "")
    return {
        "rare": len(strange.rare),
        "frequent": len(strange.frequent),
        "any_one": strange.any_one,
        "named": float(bool(named.words) and not named.hinted),
        "number": float(q.number is not None or bool(q.ids)),
        "asks": float(first in _ASKING),
        "now": float(q.says("now", "currently", "at the moment", "today", "yet", "still")),
        "any": float(q.says("any", "anything", "anyone", "anybody", "all", "everything", "list", "show", "open")),
        "modal": float(q.says("should", "must", "need", "needs", "can", "could", "would", "may")),
        "score": min(score, _SCORE_LIMIT),
    }


def of_state(q: Question, named: Named, score: float) -> float:
    """From 0 to 1."""
    sure = _CONSTANT + sum(_WEIGHTS[sign] * value for sign, value in signs(q, named, score).items())
    return 1 / (1 + math.exp(-sure))

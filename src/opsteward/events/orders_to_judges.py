"""Orders that a text gives to whoever judges it: "ignore all previous instructions", `category=ignorable`.

Senders choose what they write, so such an order is no evidence of what happened. Here it is only found, by the form
that orders have; what stands beside it is judged by itself in `classification`. Nothing here decides anything.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from opsteward.core.word_list import words

_PARTS_LIMIT = 12
#: No order is without one of these; most lines have none and are not looked at further.
_SIGNS = frozenset(
    words("""ignore disregard forget override bypass skip instructions classify classification categorize categorise
    label judge rate treat regard consider mark report summarize summarise interpret category severity verdict priority
    decision confidence escalate escalation notify approve approved suppress resolved assistant system model agent
    operator ai im exercise drill expected benign harmless ignorable dropped ignored""")
)
_SOFT = (
    r"ignorable|benign|low(?:est)?|none|info|never|noise|log_only|true|yes|closed|harmless|routine|resolved|scheduled"
    r"|1\.0|5"
)
_ORDER = re.compile(
    rf"""\b(?:ignore|disregard|forget|override|bypass|skip)\b.{{0,40}}?
        \b(?:instructions?|rules?|prompts?|told|above|previous|this)\b
      |\b(?:override|decision|verdict|classification)\b.{{0,30}}?[:=]?[ "']{{0,3}}(?:{_SOFT})\b
      |\b(?:classify|categori[sz]e|label|judge|rate|treat|regard|consider|mark|report|summari[sz]e|interpret)\b
        .{{0,30}}?\bas\b[: ]{{0,2}}\w{{0,20}}
      |["']?\b(?:category|severity|priority|action|confidence|label|rule_id|escalate|escalation|resolved|approved
        |suppress|status)\b["']?[ ]?[=:][ ]?["']?(?:{_SOFT})\b
      |\b(?:do[ ]not|don't|dont|never|no[ ]need[ ]to|nobody[ ]has[ ]to)[ ]
        (?:escalate|page|alert|notify|wake|report|open|act)\b
      |\b(?:report|open|raise)[ ](?:nothing|no[ ](?:incident|alert|alarm))\b|\bno[ ](?:incident|alert|page)[ ]shall\b
      |<\|?/?(?:system|assistant|user|instructions?|im_start|im_end|log)\b[^>]{{0,20}}>
      |\b(?:assistant|ai|ai[ ]agent|the[ ]model|system[ ]prompt)\b[ ]?[:,]
      |\b(?:approve|close|resolve|drop|ignore)\b.{{0,20}}?\b(?:everything|all|incidents?|pending|it)\b
      |\bthis[ ](?:message|event|line|log|entry|alert|is)\b.{{0,40}}?\b(?:ignored|dropped|expected|routine|benign
        |harmless|drill|exercise|false[ ]positive|test)\b""",
    re.VERBOSE | re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?>}\n](?:\s|$)")


def beside_orders(text: str, said: Collection[str]) -> list[str]:
    """The parts of a text before and behind each order in it; none where there is no order. `said`: its words."""
    if _SIGNS.isdisjoint(said):
        return []
    parts: list[str] = []
    for order in _ORDER.finditer(text):
        end = _SENTENCE_END.search(text, order.end())
        parts += [text[: order.start()], text[order.end() :], text[end.end() :] if end else ""]
        if len(parts) >= _PARTS_LIMIT:
            break
    return [part for part in dict.fromkeys(part.strip() for part in parts) if part]

"""How often an order to the judge, put before or behind a line of trouble, makes it less urgent.

    python evals/judge/measure_orders.py

Lines are of our examples of attacks and failures, one of each; orders are those of `orders_held_out.txt`, which no
training has seen. A line that alone is an attack or an error of a system, and with an order is neither, was talked
down.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import train

from opsteward.events.classification import Category, classify

_URGENT = (Category.SECURITY_ISSUE, Category.SYSTEM_ERROR)
LINES = 580


def urgent(text: str) -> bool:
    return classify(error_type=None, message=text).category in _URGENT


def main() -> None:
    dice = random.Random(11)
    examples = [
        line.partition(": ")
        for category in ("security_issue", "system_error")
        for line in (train.EXAMPLES / f"{category}.txt").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    lines = [train.filled(text, dice) for _, _, text in dice.sample(examples, len(examples))]
    lines = [line for line in lines if urgent(line)][:LINES]
    orders = train.orders("orders_held_out.txt")
    told = [(line, order, dice.random() < 0.5) for line in lines for order in [dice.choice(orders)]]
    talked_down = [
        (line, order) for line, order, before in told if not urgent(f"{order} {line}" if before else f"{line} {order}")
    ]
    print(f"{len(talked_down)} of {len(lines)} lines with an order are judged less urgent")
    for order in orders:
        print(f"{sum(said == order for _, said in talked_down):4} of {sum(o == order for _, o, _ in told):3}  {order}")


if __name__ == "__main__":
    main()

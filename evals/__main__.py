"""How good and how fast grouping and judging are: `make evals`.

Data: the folder of `OPSTEWARD_MEASURING_DATA` (else `../shared/data` beside the repository), with
`grouping/<system>.jsonl` ({content, group}) and `classification/labelled.jsonl` ({source, line, category}), only read.

Nothing that is measured is fitted here: templates know values by form alone, and the judge is trained on the examples
of `evals/judge` and on none of these sources, so that every figure is of sources that were left out. The rules of
`rules/classification.yaml` are written by people who have seen some of the lines: the column `model` is without them.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from opsteward.events.classification import classify
from opsteward.events.fingerprint import fingerprint
from opsteward.events.judge_model import shipped_model, words_of_event

DATA = Path(
    os.environ.get("OPSTEWARD_MEASURING_DATA") or Path(__file__).resolve().parents[1].parent / "shared" / "data"
)
#: Whose errors may be looked at while the product is changed; of all others only the figures are read.
WORK_SET = frozenset({"Apache", "HDFS", "Hadoop", "Linux", "ossec", "postgresql"})
Lines = Sequence[dict[str, str]]


def key(message: str) -> str:
    return fingerprint(source="", error_type=None, message=message).key


def systems() -> dict[str, Lines]:
    """System -> its lines with their true groups."""
    return {path.stem: _read(path) for path in sorted((DATA / "grouping").glob("*.jsonl"))}


def labelled() -> Lines:
    """The labelled lines."""
    path = DATA / "classification" / "labelled.jsonl"
    return _read(path) if path.exists() else []


def _read(path: Path) -> Lines:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def grouped(names: Iterable[str]) -> set[frozenset[int]]:
    """The groups as sets of line numbers."""
    members: defaultdict[str, set[int]] = defaultdict(set)
    for number, name in enumerate(names):
        members[name].add(number)
    return {frozenset(lines) for lines in members.values()}


def accuracy(lines: Lines, names: Iterable[str]) -> tuple[float, float]:
    """GA (share of lines whose group is exactly a true one) and FGA (F1 over groups found exactly)."""
    true, found = grouped(line["group"] for line in lines), grouped(names)
    exact = true & found
    return sum(map(len, exact)) / len(lines), 2 * len(exact) / (len(true) + len(found))


def f1_by_category(pairs: Sequence[tuple[str, str]]) -> dict[str, float]:
    """F1 of each category that the labels have; a pair is a label and what was found."""
    scores: dict[str, float] = {}
    for category in sorted({label for label, _ in pairs}):
        hits = sum(label == category == found for label, found in pairs)
        wrong = sum((label == category) != (found == category) for label, found in pairs)
        scores[category] = 2 * hits / (2 * hits + wrong) if hits else 0.0
    return scores


def macro_f1(pairs: Sequence[tuple[str, str]]) -> float:
    scores = f1_by_category(pairs)
    return sum(scores.values()) / len(scores)


def calibration_error(sure: Sequence[tuple[float, bool]], bins: int = 10) -> float:
    """ECE: how far confidence and share of right answers are apart, over ten ranges of confidence."""
    parts: defaultdict[int, list[tuple[float, bool]]] = defaultdict(list)
    for confidence, right in sure:
        parts[min(int(confidence * bins), bins - 1)].append((confidence, right))
    return sum(
        abs(sum(confidence for confidence, _ in part) - sum(right for _, right in part)) for part in parts.values()
    ) / len(sure)


def by_drain3(lines: Lines) -> list[str]:
    """The groups of drain3 with one configuration (its masks for numbers, hexadecimal and addresses)."""
    from drain3 import TemplateMiner
    from drain3.masking import MaskingInstruction
    from drain3.template_miner_config import TemplateMinerConfig

    config = TemplateMinerConfig()
    config.masking_instructions = [
        MaskingInstruction(r"((?<=[^A-Za-z0-9])|^)(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})((?=[^A-Za-z0-9])|$)", "IP"),
        MaskingInstruction(r"((?<=[^A-Za-z0-9])|^)(0x[a-f0-9A-F]+)((?=[^A-Za-z0-9])|$)", "HEX"),
        MaskingInstruction(r"((?<=[^A-Za-z0-9])|^)([\-\+]?\d+)((?=[^A-Za-z0-9])|$)", "NUM"),
    ]
    miner = TemplateMiner(config=config)
    return [str(miner.add_log_message(line["content"])["cluster_id"]) for line in lines]


def seconds_of(work: Callable[[], object]) -> float:
    """Seconds of this process's processor time."""
    started = time.process_time()
    work()
    return time.process_time() - started


def print_grouping() -> None:
    data = systems()
    if not data:
        print(f"grouping: skipped, no measuring data at {DATA} (set OPSTEWARD_MEASURING_DATA)")
        return
    try:
        import drain3
    except ImportError:
        drain3 = None
    print(f"{'system':<16}{'GA':>7}{'FGA':>7}" + (f"{'drain3 GA':>12}{'FGA':>7}" if drain3 else "   (no drain3 here)"))
    figures, seconds, theirs = [], 0.0, 0.0
    for name, lines in data.items():
        names: list[str] = []
        seconds += seconds_of(lambda lines=lines, names=names: names.extend(key(line["content"]) for line in lines))
        row = accuracy(lines, names)
        if drain3:
            peers: list[str] = []
            theirs += seconds_of(lambda lines=lines, peers=peers: peers.extend(by_drain3(lines)))
            row += accuracy(lines, peers)
        figures.append(row)
        shown = "".join(f"{figure:>{width}.3f}" for figure, width in zip(row, (7, 7, 12, 7), strict=False))
        print(f"{name:<16}{shown}{'' if name in WORK_SET else '  held out'}")
    mean = [sum(column) / len(column) for column in zip(*figures, strict=True)]
    print(f"{'mean':<16}" + "".join(f"{f:>{w}.3f}" for f, w in zip(mean, (7, 7, 12, 7), strict=False)))
    count = sum(map(len, data.values()))
    print(f"{count / seconds:,.0f} lines a CPU second", end="")
    print(f"; drain3 {count / theirs:,.0f}, ours {theirs / seconds:.1f} times as many" if drain3 else "")


def print_judging() -> None:
    lines = labelled()
    if not lines:
        print(f"judging: skipped, no measuring data at {DATA} (set OPSTEWARD_MEASURING_DATA)")
        return
    model = shipped_model()
    found = [classify(error_type=None, message=line["line"]) for line in lines]
    alone = [model.judge(words_of_event(None, line["line"])) for line in lines]
    print(f"\n{'source':<16}{'lines':>6}{'macro-F1':>10}{'model':>8}   F1 by category")
    for source in ["", *sorted({line["source"] for line in lines})]:
        part = [n for n, line in enumerate(lines) if source in ("", line["source"])]
        whole = [(lines[n]["category"], str(found[n].category)) for n in part]
        bare = [(lines[n]["category"], alone[n].category) for n in part]
        scores = "  ".join(f"{name} {score:.2f}" for name, score in f1_by_category(whole).items())
        held = "" if source in WORK_SET or not source else "  held out"
        print(f"{source or 'whole':<16}{len(part):>6}{macro_f1(whole):>10.3f}{macro_f1(bare):>8.3f}   {scores}{held}")
    sure = [(one.confidence, line["category"] == one.category) for one, line in zip(found, lines, strict=True)]
    bare_sure = [
        (max(one.probabilities.values()), line["category"] == one.category)
        for one, line in zip(alone, lines, strict=True)
    ]
    print(
        f"calibration error (ECE) {calibration_error(sure):.3f}, of the model alone {calibration_error(bare_sure):.3f}"
    )
    texts = [line["line"] for line in lines] * 5
    seconds = seconds_of(lambda: [classify(error_type=None, message=text) for text in texts])
    print(f"{len(texts) / seconds:,.0f} lines a CPU second")


def main() -> int:
    print_grouping()
    print_judging()
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Files given to a command: what is wrong is said with name, place and remedy, all of it at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsteward.cli.failures import Failure
from opsteward.cli.input_files import read_objects, read_text, write_text


def refusals(file: Path) -> tuple[str, ...]:
    with pytest.raises(Failure) as refused:
        read_objects(file)
    return refused.value.problems


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b'{"a": 1,}', "column 9 is no JSON"),
        (b'[{"a": 1},\n {"b" 2}]', "line 2, column 7 is no JSON"),
        (b"\x00\x01\xff\xfe", "holds bytes that are no utf-8 text"),
        (b"a\x00b", "is no text file"),
        (b"5", "is a number"),
        (b'"x"', "is text"),
        (b"null", "is null"),
        (b'[{"a": NaN}]', "NaN is no number of JSON"),
        (b"[" * 100_000, "is nested too deeply"),
        (b'{"a": ' + b"9" * 5000 + b"}", "too many digits"),
        (b'{"a": 1} trailing', "something follows after its end"),
    ],
)
def test_what_is_no_json_is_said_in_one_line(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "systems.json"
    file.write_bytes(content)
    (problem,) = refusals(file)
    assert said in problem
    assert problem.startswith(str(file))
    assert "; " in problem
    assert "\n" not in problem


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    file = tmp_path / "tasks.ndjson"
    file.write_text('{"a": 1}\n\n{"b": }\n7\n{"c": 2}\nnonsense\n')
    places = [problem.removeprefix(f"{file}: ").partition(" ")[0:3] for problem in refusals(file)]
    assert len(places) == 3
    assert [problem for problem in refusals(file) if "line 3" in problem and "no JSON" in problem]
    assert [problem for problem in refusals(file) if "line 4" in problem and "is a number" in problem]
    assert [problem for problem in refusals(file) if "line 6" in problem]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_marks_of_encodings(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "one.json"
    mark = b"\xff\xfe" if encoding == "utf-16-le" else b""
    file.write_bytes(mark + '[{"name": "Žofie"}]'.encode(encoding))
    assert read_objects(file) == [("entry 1", {"name": "Žofie"})]


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="is a folder; name a file"):
        read_text(tmp_path)
    with pytest.raises(Failure, match="is not there; correct the path"):
        read_text(tmp_path / "none")


def test_a_file_is_never_replaced_unasked(tmp_path: Path) -> None:
    file = tmp_path / "orders.yaml"
    write_text(file, "one", replace=False)
    with pytest.raises(Failure, match="--force"):
        write_text(file, "two", replace=False)
    assert file.read_text() == "one"
    write_text(file, "two", replace=True)
    assert file.read_text() == "two"
    assert list(tmp_path.iterdir()) == [file]

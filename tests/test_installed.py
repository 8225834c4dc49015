"""Formats and judges of an installed package: a made-up distribution on the path, as pip would install it."""

from __future__ import annotations

import json
import sys

import pytest

import handpicked as hp
from handpicked.errors import ConfigError, PoolError
from handpicked.judges.folder import load_judge

CODE = """
from pathlib import Path

from handpicked.data.formats.row_format import Chat, Pairs

quiz = Pairs("quiz", prompt="ask", response="reply")
talk = Chat("talk", turns="spoken")
strict = Path(__file__).parent / "strict"
wrong = 3
"""
POINTS = """
[handpicked.formats]
quiz = quizzes:quiz
talk = quizzes:talk
number = quizzes:wrong
absent = quizzes:nothing

[handpicked.judges]
strict = quizzes:strict
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    (tmp_path / "quizzes.py").write_text(CODE)
    info = tmp_path / "quizzes-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: quizzes\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(POINTS)
    judge = tmp_path / "strict"
    judge.mkdir()
    (judge / "judge.yaml").write_text("about: strict\nreads: verdict\nmarker: 'Verdict:'\n")
    (judge / "prompt.txt").write_text("{prompt} {first} {second}")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("quizzes", None)


def written(folder, rows):
    path = folder / "pool.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_pool_is_read_by_an_added_format(package):
    pairs = written(package, [{"ask": "What is it?", "reply": "A stone."}])
    assert [example.response for example in hp.read(pairs, format="quiz").examples()] == ["A stone."]
    turns = [{"role": "user", "content": "Hello."}, {"role": "assistant", "content": "Good day."}]
    chats = written(package, [{"spoken": turns}])
    assert [example.response for example in hp.read(chats, format="talk").examples()] == ["Good day."]


def test_an_added_format_names_the_field_that_is_missing(package):
    with pytest.raises(PoolError, match="format 'quiz' needs the field 'ask'"):
        hp.read(written(package, [{"question": "?", "answer": "!"}]), format="quiz")


def test_an_entry_point_that_is_no_format_is_refused(package):
    rows = written(package, [{"ask": "?", "reply": "!"}])
    with pytest.raises(PoolError, match="must be a Pairs or a Chat"):
        hp.read(rows, format="number")
    with pytest.raises(ConfigError, match=r"'absent' .* cannot be loaded from quizzes:nothing"):
        hp.read(rows, format="absent")


def test_a_misspelt_name_is_answered_with_the_added_one(package):
    with pytest.raises(PoolError, match="Did you mean 'quiz'"):
        hp.read(written(package, [{"ask": "?", "reply": "!"}]), format="quizz")
    with pytest.raises(ConfigError, match="Did you mean 'strict'"):
        load_judge("strikt")

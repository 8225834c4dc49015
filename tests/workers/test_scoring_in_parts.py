"""Scorers by models over workers: the same files, memory that stays flat, and
earlier work that is reported.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import handpicked as hp
from handpicked.config import ModelSettings
from handpicked.progress import SILENT
from handpicked.records import Message, Prompt
from handpicked.scorers.lm.likelihood import LanguageModel
from handpicked.scorers.lm.quantile import quantile
from handpicked.scorers.lm.target import TargetSet
from handpicked.scorers.model.ifd import Ifd
from handpicked.scorers.model.rds import Rds
from handpicked.scorers.model.t_shirt import TShirt
from handpicked.scorers.part_scorer import PartScorer, RowReader
from handpicked.scorers.pool_scorer import FACTS, SCORES, read_scores
from handpicked.workers import Workers
from memory_pool import MemoryPool

torch = pytest.importorskip("torch", reason="needs the lm extra")


@pytest.fixture
def pool_file(tmp_path):
    """Rows in a file, some of which cannot be read or scored."""
    draw, file = random.Random(0), tmp_path / "pool.jsonl"
    rows = [
        {"prompt": f"say {n}", "response": None if n % 17 == 5 else "yes " * draw.randint(0, 6)}
        for n in range(60)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def made(scorer, pool, work, devices, rows=None):
    work.mkdir()
    scorer.score_on(Workers(devices=devices), pool, rows, work, SILENT)
    assert {path.name for path in work.iterdir()} == {FACTS, SCORES}
    return read_scores(work).to_pydict(), json.loads((work / FACTS).read_text())


def scorer_named(name, tiny_model):
    if name == "ifd":
        return Ifd(LanguageModel(str(tiny_model)))
    if name == "t-shirt":
        return TShirt(LanguageModel(str(tiny_model)), neighbours=1)
    prompts = tuple(
        Prompt(text, (Message("user", text),), "t", reference="yes") for text in ("why?", "say seven")
    )
    return Rds(TargetSet("target.jsonl", prompts), ModelSettings(name=str(tiny_model), dtype="float32"))


@pytest.mark.slow  # it starts workers that load torch
@pytest.mark.parametrize("name", ["ifd", "rds", "t-shirt"])
def test_two_workers_write_the_same_scores_and_facts(tiny_model, pool_file, tmp_path, name, monkeypatch):
    scorer, pool = scorer_named(name, tiny_model), hp.read(pool_file)
    monkeypatch.setattr(type(scorer), "part_rows", 8)
    rows = None if name == "ifd" else list(range(0, 60, 2))
    scores, facts = made(scorer, pool, tmp_path / "one", "cpu:1", rows)
    shared, shared_facts = made(scorer, pool, tmp_path / "two", "cpu:2", rows)
    assert list(shared) == list(scores) and shared_facts == facts
    for name, column in scores.items():  # a worker with more threads adds in another order
        assert shared[name] == [
            pytest.approx(value, rel=1e-5) if isinstance(value, float) else value for value in column
        ], name


def test_a_part_is_the_rows_between_two_places_whatever_is_read_first():
    rows = [None if n % 7 == 3 else {"prompt": str(n), "response": "r"} for n in range(50)]
    pool = MemoryPool(rows, shards=4, batch=3)
    spans = [(first, min(first + 8, 50)) for first in range(0, 50, 8)]
    for order in (spans, spans[::-1], spans[3:] + spans[:3]):
        reader = RowReader(pool, None)
        found = {span: [one.row for one in reader.read(*span)] for span in order}
        assert [row for span in spans for row in found[span]] == [n for n in range(50) if n % 7 != 3]
    some = [0, 3, 4, 10, 24, 49]
    reader = RowReader(pool, some)
    assert [[one.row for one in reader.read(*span)] for span in ((0, 2), (2, 4), (4, 6))] == [[0], [4], [49]]


def test_neighbouring_parts_are_read_in_one_sweep():
    asked = []

    @dataclass
    class Counted:
        rows: int = 40

        def examples(self, rows):
            asked.append(rows)
            return MemoryPool([{"prompt": "p", "response": "r"}] * 40).examples(rows)

    reader = RowReader(Counted(), None)
    for first in (0, 8, 16, 32):
        reader.read(first, first + 8)
    assert [rows[0] for rows in asked] == [0, 32]


def test_what_an_earlier_version_left_unfinished_is_reported_and_removed(tiny_model, tmp_path, monkeypatch):
    from handpicked.config import ScoreSettings
    from handpicked.selection.kept_scores import modeled

    monkeypatch.setenv("HANDPICKED_CACHE", str(tmp_path / "cache"))
    pool = MemoryPool([{"prompt": "a", "response": "b c"}] * 3)
    said: list[str] = []
    real = PartScorer.score_on

    def earlier(scorer, workers, pool, rows, work, progress):
        (work / "losses.jsonl").write_text('{"row": 0, "alone": false, "mean": 1.0}\n')
        raise KeyboardInterrupt

    scorers = [Ifd(LanguageModel(str(tiny_model)))]
    monkeypatch.setattr(PartScorer, "score_on", earlier)
    with pytest.raises(KeyboardInterrupt):
        modeled(pool, scorers, ScoreSettings(), execution=hp.Execution(say=said.append))
    monkeypatch.setattr(PartScorer, "score_on", real)
    (kept,) = modeled(pool, scorers, ScoreSettings(), execution=hp.Execution(say=said.append))
    assert any("the unfinished work of an earlier version of handpicked" in line for line in said)
    assert sorted(path.name for path in kept.folder.iterdir()) == [FACTS, SCORES, "stage.json"]


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("count", [1, 2, 7, 4000])
def test_the_quantile_of_parts_is_numpys(share, count):
    draw = np.random.default_rng(count)
    numbers = np.abs(draw.normal(size=count)).astype(np.float32)
    numbers[:: 3 + count % 2] = numbers[0]  # ties
    parts = np.array_split(numbers, 5)
    assert quantile(lambda: parts, share) == pytest.approx(float(np.quantile(numbers.astype(float), share)))


def test_no_numbers_have_no_quantile():
    assert quantile(lambda: [np.empty(0, np.float32)], 0.5) is None


@pytest.mark.slow
def test_memory_does_not_grow_with_the_pool(tiny_model, tmp_path):
    """The parent's and its worker's peaks at 4,000 and at 40,000 rows, looked up by the benchmark."""
    code = "from benchmarks import workers; import sys; sys.argv[1:] = {}; workers.main()"
    asked = ["--memory", "40000", "--devices", "cpu:2", "--model", str(tiny_model)]
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code.format(asked)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([root, *sys.path])},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    few, many = (
        [float(one.replace(",", "")) for one in line.split("processes ")[1].split(" MB")[0].split(", ")]
        for line in done.stdout.splitlines()
    )
    assert len(many) >= 3 and max(many) < max(few) + 150, done.stdout

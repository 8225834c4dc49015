"""A column of the pool goes before a scorer of its name, and a scorer's ceiling goes with its column."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

import handpicked as hp
import word_scorer
from handpicked.config import SelectSettings
from handpicked.errors import ConfigError
from handpicked.selection import pick
from handpicked.selection.methods import ceiling_of, direction, selector_for
from handpicked.selectors.balanced import Balanced
from handpicked.selectors.deita import Deita
from handpicked.selectors.embeddings import Embeddings
from handpicked.selectors.k_center import KCenter
from handpicked.selectors.power_law import PowerLaw
from handpicked.selectors.ranked import Longest, Shortest
from handpicked.selectors.window import Window

RESPONSES = ["one", "one two", "one two three", "one two three four."]


@dataclass(frozen=True)
class Capped(word_scorer.Words):
    ceiling: ClassVar[float] = 2.0


@pytest.fixture(autouse=True)
def wordy(monkeypatch, tmp_path):
    monkeypatch.setenv("HANDPICKED_CACHE", str(tmp_path / "cache"))
    word_scorer.ship(monkeypatch, Capped)
    word_scorer.done.clear()
    word_scorer.stop_after.clear()


def resolved(settings, own=()):
    selector = selector_for(settings, own)
    return selector.directed(*direction(selector, own))


@pytest.fixture
def pool_of(tmp_path):
    """Makes a pool of four rows, the longest last, with a field by this name that falls from 4 to 1."""

    def make(field: str = "else") -> hp.Pool:
        rows = [{"prompt": "ask", "response": text, field: 4 - n} for n, text in enumerate(RESPONSES)]
        (tmp_path / "pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return hp.read(tmp_path / "pool.jsonl")

    return make


def chosen(pool, selector, size=1, **more):
    return hp.select(pool, selector, size=size, **more).rows.tolist()


@pytest.mark.parametrize("field", ["words", "steps", "chars", "cut_off", "wordy", "wordy_half", "reward"])
def test_a_field_of_the_pool_goes_before_a_scorer_of_that_name(pool_of, field):
    pool = pool_of(field)
    assert chosen(pool, hp.Top(field)) == [0]
    assert chosen(pool, hp.Bottom(field)) == [3]
    assert chosen(pool, Window(field, 1, 1)) == [0]
    assert word_scorer.done == []


@pytest.mark.parametrize("name", ["wordy", "repeated_5grams"])
def test_a_scorer_that_the_pool_has_as_a_field_is_not_selected_by_in_short(pool_of, tmp_path, name):
    with pytest.raises(ConfigError, match=f"already has a field '{name}'"):
        pick(pool_of(name), SelectSettings(by=name, size=1), tmp_path / "x")


def test_a_measure_is_computed_whatever_fields_the_pool_has(pool_of, tmp_path):
    for measure in ("tokens", "words"):
        pool = pool_of(measure)
        assert chosen(pool, Longest(measure)) == [3] and chosen(pool, Shortest(measure)) == [0]
        assert chosen(pool, Balanced("source", measure)) == [3]
        window = SelectSettings(by="window", measure=measure, low=1, size=1)
        assert chosen(pool, selector_for(window, own=pool.fields)) == [3]
        assert pick(pool, SelectSettings(by="longest", measure=measure, size=1), tmp_path / measure).kept == 1
        assert '"one two three four."' in (tmp_path / measure / "selected.jsonl").read_text()
    assert chosen(pool_of("repeated_5grams"), hp.Top("repeated_5grams")) == [0]


def test_where_both_are_needed_the_pool_must_be_renamed(pool_of):
    with pytest.raises(ConfigError, match="already has a field 'tokens', by which 'top' selects"):
        chosen(pool_of("tokens"), hp.Top("tokens"), guards=["token-window=1:"])
    assert chosen(pool_of("words"), hp.Top("words"), guards=["token-window=1:"]) == [0]
    assert chosen(pool_of("words"), PowerLaw("source", "words", seed=1)) in ([3], [2], [1])


@pytest.mark.parametrize("field", ["reward", "rds", "perplexity", "ifd", "repeated_5grams", "wordy"])
@pytest.mark.parametrize("by", ["deita", "qdit", "car", "semdedup"])
def test_quality_is_the_pools_own_where_it_has_that_field(by, field):
    selector = resolved(SelectSettings(by=by, field=field, size=1), (field,))
    assert (selector.column, selector.highest, selector.ceiling) == (field, True, None)


def test_an_own_field_is_the_quality_in_python_too(pool_of):
    vectors = np.eye(4, dtype=np.float32)
    pool = pool_of("reward")
    assert chosen(pool, Deita("reward", embeddings=Embeddings(np.arange(4), vectors))) == [0]


def test_a_scorers_ceiling_goes_with_its_column():
    for name in ("ifd", "superfiltering"):
        assert ceiling_of(name) == ceiling_of(f"{name}_loss_ratio") == 1
        assert ceiling_of(f"{name}_perplexity") is None
        for by in ("deita", "qdit", "car", "semdedup"):
            assert resolved(SelectSettings(by=by, field=f"{name}_loss_ratio", size=1)).ceiling == 1
    assert ceiling_of("tokens") is ceiling_of("mine") is None


def test_rows_over_the_ceiling_are_left_out_and_say_so(pool_of, tmp_path):
    pool = pool_of()
    assert chosen(pool, hp.Top("wordy")) == [1]
    assert chosen(pool, hp.Top("wordy", ceiling=3)) == [2]
    assert chosen(pool, hp.Top("wordy", ceiling=math.inf)) == [3]
    assert chosen(pool, hp.Top("wordy_half")) == [3]
    with pytest.raises(ConfigError, match="or are over 2"):
        chosen(pool, hp.Top("wordy"), size=3)
    for settings in (SelectSettings(by="top", field="wordy", size=1), SelectSettings(by="wordy", size=1)):
        summary = pick(pool, settings, tmp_path / "out")
        assert {part.reason: part.rows for part in summary.dropped} == {
            "its wordy is over 2": 2,
            "not among the 1 highest by wordy that are not over 2": 1,
        }
        manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
        assert manifest["selector"] == {"name": "top", "column": "wordy", "ceiling": 2.0}
    hp.select(pool, hp.Top("wordy", ceiling=math.inf), size=1).write(tmp_path / "all")
    assert json.loads((tmp_path / "all" / "manifest.json").read_text())["selector"]["ceiling"] is None
    given = Embeddings(np.arange(4), np.eye(4, dtype=np.float32))
    assert chosen(pool, Deita("wordy", embeddings=given)) == [1]


def test_a_row_without_a_given_vector_says_so(pool_of):
    pytest.importorskip("faiss", reason="needs the embed extra")
    given = Embeddings(np.array([0, 2]), np.eye(2, dtype=np.float32))
    pool = pool_of()
    reasons = {"no embedding: none was given for the row": 2}
    both = hp.select(pool, KCenter(embeddings=given), size=2).summary
    assert {part.reason: part.rows for part in both.dropped} == reasons
    best = hp.select(pool, Deita("wordy", embeddings=given), size=1).summary
    assert {part.reason: part.rows for part in best.dropped} == {**reasons, "its wordy is over 2": 1}

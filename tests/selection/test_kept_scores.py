"""Scores that take hours are computed once, kept, resumed, and then are a column like any other."""

from __future__ import annotations

import json
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

import handpicked as hp
import word_scorer
from handpicked.config import ScoreSettings, SelectSettings
from handpicked.errors import ConfigError, EndpointError
from handpicked.scorers.text.length_tokens import LengthTokens
from handpicked.selection import kept_scores as kept
from handpicked.selection import pick
from handpicked.selection.choice import scores_for
from handpicked.selection.execution import Execution
from handpicked.selection.methods import scorers_for
from handpicked.selection.plan import plan_selection
from handpicked.selection.scoring import score_into
from handpicked.settings import assigned, score_settings
from handpicked.store import open_run
from memory_pool import MemoryPool


def modeled(pool, settings, **arguments):
    return kept.modeled(pool, scorers_for(["wordy"], settings), settings, **arguments)


@pytest.fixture(autouse=True)
def wordy(monkeypatch, tmp_path):
    monkeypatch.setenv("HANDPICKED_CACHE", str(tmp_path / "cache"))
    word_scorer.ship(monkeypatch, word_scorer.Words)
    word_scorer.done.clear()
    word_scorer.stop_after.clear()
    return word_scorer


@pytest.fixture
def pool():
    rows = [{"prompt": f"ask {n}", "response": "word " * n, "quality": 0.0} for n in (3, 0, 5, 1, 4, 2)]
    return MemoryPool([*rows, None])


def test_select_by_a_pool_scorer_and_score_share_the_work(pool, tmp_path, wordy):
    counts = score_into(pool, ["wordy", "chars"], tmp_path / "scores")
    table = pq.read_table(tmp_path / "scores" / "scores.parquet").to_pydict()
    assert table["wordy"] == [3, None, 5, 1, 4, 2]
    assert table["wordy_half"] == [1.5, None, 2.5, 0.5, 2, 1]
    assert table["wordy_reason"] == [None, "the response is empty", None, None, None, None]
    assert counts["null"] == {"chars": 0, "wordy": 1, "wordy_half": 1}
    assert counts["reasons"] == {"wordy": {"the response is empty": 1}}

    summary = pick(pool, SelectSettings(by="wordy", size=2), tmp_path / "two")
    assert len(wordy.done) == 6  # nothing was computed again
    assert [json.loads(line)["response"] for line in (tmp_path / "two" / "selected.jsonl").open()] == [
        "word " * 5,
        "word " * 4,
    ]
    assert {part.reason: part.rows for part in summary.dropped} == {
        "no wordy: the response is empty": 1,
        "not among the 2 highest by wordy": 3,
    }
    manifest = json.loads((tmp_path / "two" / "manifest.json").read_text())
    main = manifest["scores"][0]
    assert main["about"]["scorer"] == {"model": "none"}
    assert main["about"]["made of"] == "counted by none"
    assert str(tmp_path) not in json.dumps(manifest["scores"])


def test_from_python_and_by_the_lower_end(pool):
    assert hp.select(pool, hp.Top("wordy"), size=1).rows.tolist() == [2]
    assert hp.select(pool, hp.Bottom("wordy_half"), size=2, score={"model": "none"}).rows.tolist() == [3, 5]


def test_what_was_paid_for_is_kept_when_it_fails(pool, tmp_path, wordy):
    wordy.stop_after.append(2)
    with pytest.raises(EndpointError):
        pick(pool, SelectSettings(by="wordy", size=2), tmp_path / "two")
    assert not (tmp_path / "two").exists()
    wordy.stop_after.clear()
    pick(pool, SelectSettings(by="wordy", size=2), tmp_path / "two")
    assert wordy.done == [0, 1, 2, 3, 4, 5]


def test_only_a_sample_or_a_prefilter_is_scored(pool, tmp_path, wordy):
    score_into(pool, ["wordy"], tmp_path / "sampled", settings=ScoreSettings(sample=3, seed=1))
    table = pq.read_table(tmp_path / "sampled" / "scores.parquet").to_pydict()
    outside = [row for row, reason in enumerate(table["wordy_reason"]) if reason and "sample" in reason]
    assert sorted(wordy.done + outside) == [0, 1, 2, 3, 4, 5] and len(outside) == 3
    about = json.loads((tmp_path / "sampled" / "manifest.json").read_text())["scores"][0]["about"]
    assert about["sample"] == 3 and about["rows"] == 3

    wordy.done.clear()
    settings = SelectSettings(by="wordy", size=2, score=ScoreSettings(prefilter="longest:3"))
    pick(pool, settings, tmp_path / "two")
    assert wordy.done == [0, 2, 4]
    chosen = pq.read_table(tmp_path / "two" / "scores.parquet").to_pydict()
    assert chosen["reason"][3] == "no wordy: not among the rows of the prefilter longest:3"
    with pytest.raises(ConfigError, match=r"score\.prefilter leaves 3"):
        pick(pool, settings.model_copy(update={"size": 4}), tmp_path / "four")


@pytest.mark.parametrize(
    ("asked", "score", "says"),
    [
        ({"size": 8}, {}, "8 rows are requested, but the pool has 7"),
        ({"size": 7}, {}, "7 rows are requested, but only 6 of the pool can be read"),
        ({"size": 3}, {"sample": 2}, r"score\.sample leaves 2 to be scored by wordy"),
        ({"fraction": 0.5}, {"sample": 2}, r"3 rows are requested, but score\.sample leaves 2"),
        ({"fraction": 0.5}, {"prefilter": "longest:4", "sample": 2}, r"score\.prefilter and score\.sample leave 2"),
        ({"size": 0}, {"prefilter": "longest:0"}, r"nothing to score by wordy: score\.prefilter keeps none"),
    ],
)  # fmt: skip
def test_too_few_rows_are_reported_before_any_is_scored(pool, tmp_path, asked, score, says):
    settings = SelectSettings(by="wordy", score=score, **asked)
    with pytest.raises(ConfigError, match=says):
        pick(pool, settings, tmp_path / "x")
    if asked.get("size") != 8:
        with pytest.raises(ConfigError, match=says):  # as an arm of an experiment
            scores_for(plan_selection(pool, settings))
    assert word_scorer.done == []


def test_as_many_as_are_scored_may_be_asked_for(pool, tmp_path):
    settings = SelectSettings(by="wordy", fraction=0.5, score={"prefilter": "longest:3"})
    assert pick(pool, settings, tmp_path / "half").kept == 3


def test_a_pool_without_a_readable_row_is_reported(tmp_path, tiny_model):
    file = tmp_path / "pool.jsonl"
    file.write_text('{"prompt": "why?", "response": null}\n' * 3)
    asked = ["select", file, "--by", "t-shirt", "--fraction", "0.5", "--sample", "2", "--model", tiny_model]
    done = subprocess.run(
        [sys.executable, "-m", "handpicked", *asked, "-o", tmp_path / "out"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and "none of the pool's rows can be read" in done.stderr, done.stderr
    assert len(done.stderr.splitlines()) == 1 and not (tmp_path / "out").exists()
    with pytest.raises(ConfigError, match=r"nothing to score by wordy.*none of the pool's rows can be read"):
        score_into(MemoryPool([None, None]), ["wordy"], tmp_path / "x", settings=ScoreSettings(sample=1))


def test_a_prefilter_by_length_counts_with_the_tokenizer_and_says_which(pool, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "handpicked.selection.kept_scores.text_scorer",
        lambda name, tokenizer=None: asked.append(tokenizer) or LengthTokens(),
    )
    settings = SelectSettings(by="wordy", size=2, tokenizer="mine", score={"prefilter": "longest:3"})
    scores_for(plan_selection(pool, settings))
    score_into(pool, ["wordy"], tmp_path / "scores", tokenizer="mine", settings=settings.score)
    hp.select(pool, hp.Top("wordy"), size=2, tokenizer="mine", score=settings.score)
    assert asked == ["mine"] * 3
    about = json.loads((tmp_path / "scores" / "manifest.json").read_text())["scores"][0]["about"]
    assert about["prefilter"] == "longest:3"
    assert about["prefilter by"][0]["tokenizer"]["name"] == "SmolLM2-135M-Instruct"


def test_the_sample_does_not_depend_on_the_pools_order(pool):
    settings = ScoreSettings(sample=3)
    rows = [one.original for one in pool.examples()]
    backwards = MemoryPool(rows[::-1], shards=3, batch=2)
    word_scorer.done.clear()
    modeled(pool, settings)
    forth = {rows[row]["prompt"] for row in word_scorer.done}
    word_scorer.done.clear()
    modeled(backwards, settings)
    assert {rows[::-1][row]["prompt"] for row in word_scorer.done} == forth


def test_a_run_folder_keeps_its_scores_and_says_what_it_takes_first(pool, tmp_path):
    said: list[str] = []
    with open_run(tmp_path / "run") as run:
        execution = Execution(run=run, say=said.append)
        first = modeled(pool, ScoreSettings(), execution=execution)
        again = modeled(pool, ScoreSettings(), execution=execution)
        other = modeled(pool, ScoreSettings(model="x"), execution=execution)
    assert said == ["wordy: 7 rows, no time"] * 2
    assert first[0].fingerprint == again[0].fingerprint != other[0].fingerprint
    assert first[0].folder.parent == tmp_path / "run" / "scores" and len(word_scorer.done) == 12


def test_mistakes_are_reported_before_any_work(pool, tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="Did you mean 'wordy'"):
        score_into(pool, ["wordi"], tmp_path / "x")
    with pytest.raises(ConfigError, match="named twice"):
        score_into(pool, ["wordy", "wordy"], tmp_path / "x")
    with pytest.raises(ConfigError, match=r"score\.target: 'wordy' has no such setting\. Known: .*model"):
        pick(pool, SelectSettings(by="wordy", size=1, score={"target": "t.jsonl"}), tmp_path / "x")
    with pytest.raises(ConfigError, match=r"score\.model: nothing here"):
        pick(pool, SelectSettings(by="longest", size=1, score={"model": "m"}), tmp_path / "x")
    with pytest.raises(ConfigError, match=r"'longesd' is not a cheap selector.* Did you mean 'longest'"):
        pick(pool, SelectSettings(by="wordy", size=1, score={"prefilter": "longesd:3"}), tmp_path / "x")
    with pytest.raises(
        ConfigError, match=r"score\.modle: 'wordy' has no such setting.* Did you mean 'model'"
    ):
        score_into(pool, ["wordy"], tmp_path / "x", settings=ScoreSettings(modle="x"))
    with pytest.raises(ConfigError, match=r"score\.NAME=VALUE"):
        assigned(["model"])
    with pytest.raises(ConfigError, match="sample 0"):
        score_settings({"sample": 0})
    monkeypatch.setattr(word_scorer.Words, "better", "none")
    with pytest.raises(ConfigError, match=r"'top' .* or 'bottom'"):
        pick(pool, SelectSettings(by="wordy", size=1), tmp_path / "x")
    assert word_scorer.done == []


def test_kept_scores_of_another_release_are_computed_again_or_kept_on_request(pool, tmp_path, monkeypatch):
    settings = SelectSettings(by="wordy", size=2)
    said: list[str] = []
    monkeypatch.setattr("importlib.metadata.version", lambda name: "1.0")
    pick(pool, settings, tmp_path / "one", execution=Execution(say=said.append))
    monkeypatch.setattr("importlib.metadata.version", lambda name: "2.0")
    word_scorer.done.clear()
    said.clear()
    pick(pool, settings, tmp_path / "two", execution=Execution(say=said.append, keep_versions=True))
    assert not word_scorer.done and said == ["wordy: kept, although torch was 1.0, is 2.0"]
    about = json.loads((tmp_path / "two" / "manifest.json").read_text())["scores"][0]["about"]
    assert about["kept although"] == ["torch was 1.0, is 2.0"]
    pick(pool, settings, tmp_path / "three", execution=Execution(say=said.append))
    assert len(word_scorer.done) == 6 and said[1] == "wordy: runs again because torch was 1.0, is 2.0"


def test_scores_that_layout_1_named_after_every_argument_are_found(pool, tmp_path, monkeypatch):
    """Among its arguments were those that change no value, such as how many requests are in flight."""
    names = kept._names
    monkeypatch.setattr(kept, "_names", lambda *arguments: ["wordy-layout-1"])
    kept_there = modeled(pool, ScoreSettings())[0].folder.parent
    monkeypatch.setattr(kept, "_names", lambda *arguments: [*names(*arguments), kept_there.name])
    manifest = json.loads((kept_there / "done/stage.json").read_text())
    for new in ("versions", "libraries", "made"):
        del manifest[new]
    manifest |= {"code": "0", "fingerprint": "0", "settings": manifest["settings"] | {"concurrency": 3}}
    (kept_there / "done/stage.json").write_text(json.dumps(manifest))
    word_scorer.done.clear()
    assert modeled(pool, ScoreSettings())[0].folder.parent == kept_there and not word_scorer.done

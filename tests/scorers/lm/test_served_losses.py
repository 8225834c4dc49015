"""Perplexity and IFD by a vLLM server: the values of the local path, whatever the server does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from handpicked.config import ServerSettings
from handpicked.errors import ConfigError, EndpointError, MissingPart
from handpicked.models.load import load_tokenizer
from handpicked.models.served import client
from handpicked.models.template import load_template
from handpicked.progress import SILENT
from handpicked.scorers.lm.likelihood import LanguageModel
from handpicked.scorers.lm.loss_scorer import LossScorer
from handpicked.scorers.model.ifd import Ifd
from handpicked.scorers.model.perplexity import Perplexity
from handpicked.scorers.model.superfiltering import Superfiltering
from handpicked.scorers.pool_scorer import FACTS, SCORES, read_scores
from handpicked.selection.methods import scorers_for
from handpicked.settings import score_settings
from handpicked.store import read_json
from local_vllm import Faults, LocalVllm, gone, running, settled, write_command
from made_examples import parts
from memory_pool import MemoryPool

ROWS = [
    {"prompt": f"Say {'very ' * (n % 4)}much of {n}.", "response": ("yes " * (1 + n % 7) + str(n))}
    for n in range(10)
]
ODD = [*ROWS, {"prompt": "x" * 900, "response": "y"}, {"prompt": "Long?", "response": "z" * 600}]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(client, "PAUSES", (0.01, 0.01, 0.01))


@pytest.fixture
def model(tiny_model) -> str:
    return str(tiny_model)


def scored(scorer, work, rows=ROWS) -> list[dict]:
    work.mkdir(parents=True, exist_ok=True)
    scorer.score(MemoryPool(rows), None, work, SILENT)
    return read_scores(work).to_pylist()


def same_values(here: list[dict], there: list[dict]) -> None:
    """The same rows, columns, reasons and, but for rounding, values."""
    assert [line.keys() for line in here] == [line.keys() for line in there]
    for mine, theirs in zip(here, there, strict=True):
        numbers = {name for name, value in mine.items() if isinstance(value, float)}
        assert {n: v for n, v in theirs.items() if n not in numbers} == {
            n: v for n, v in mine.items() if n not in numbers
        }
        assert [theirs[name] for name in numbers] == pytest.approx([mine[n] for n in numbers], rel=1e-4)


def by(url: str, scorer: LossScorer) -> LossScorer:
    """The scorer, with the server at ``url``."""
    kind = type(scorer)
    return kind(scorer.lm, engine="vllm", serving=ServerSettings(server=url))


@pytest.mark.parametrize(
    "scorer", [Perplexity, Ifd, lambda lm: Superfiltering(replace(lm, template="plain"))]
)
def test_values_are_those_of_transformers(scorer, model, tmp_path):
    made = scorer(LanguageModel(model, max_length=300))
    here = scored(made, tmp_path / "here", ODD)
    with running(LocalVllm(model)) as vllm:
        there = scored(by(vllm.url, made), tmp_path / "there", ODD)
    assert len(here) == len(there) == len(ODD)
    assert here[-1][f"{made.name}_truncated"] > 0 and here[-2]["reason"]
    same_values(here, there)
    facts, same = read_json(tmp_path / "there" / FACTS), read_json(tmp_path / "here" / FACTS)
    assert facts["vllm"] == "0.0.local" and "vllm" not in same
    assert facts["truncated"] == same["truncated"] and "error" not in facts


def test_the_server_is_asked_for_the_token_ids_of_the_local_path(model, tmp_path):
    with running(LocalVllm(model)) as vllm:
        scored(by(vllm.url, Ifd(LanguageModel(model))), tmp_path / "work")
    tokenizer = load_tokenizer(LanguageModel(model).settings)
    template, expected = load_template("auto", tokenizer), []
    for row in ROWS:
        given = tokenizer.apply_chat_template([{"role": "user", "content": row["prompt"]}], tokenize=False)
        prompt = tokenizer(given + "<|im_start|>assistant\n", add_special_tokens=False).input_ids
        response = tokenizer(row["response"], add_special_tokens=False).input_ids
        expected += [[*prompt, *response], [template.tokenizer.bos_token_id, *response]]
    assert sorted(body["prompt"] for body in vllm.asked) == sorted(expected)
    for body in vllm.asked:
        assert (body["prompt_logprobs"], body["max_tokens"], body["temperature"]) == (0, 1, 0)


@pytest.mark.parametrize("fault", ["refuses", "busy", "garbage", "cuts"])
def test_a_server_that_stumbles_is_asked_again(fault, model, tmp_path):
    made = Perplexity(LanguageModel(model))
    with running(LocalVllm(model, faults=Faults(**{fault: 3}))) as vllm:
        there = scored(by(vllm.url, made), tmp_path / "there")
    same_values(scored(made, tmp_path / "here"), there)
    assert len(vllm.asked) == len(ROWS) + 3


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("refuses", r"HTTP 500\. Finished work is kept"),
        ("busy", r"HTTP 429\. Finished work is kept"),
        ("garbage", r"no completion in its answer\. Finished work is kept"),
        ("cuts", r"connection failed \(.*Finished work is kept"),
    ],
)
def test_what_is_done_is_kept_and_not_paid_again_when_a_server_fails_for_good(
    fault, said, model, tmp_path, monkeypatch
):
    monkeypatch.setattr(LossScorer, "part_rows", 4)
    made = Ifd(LanguageModel(model))
    with running(LocalVllm(model)) as vllm:
        asking = by(vllm.url, made)
        plain, counted = vllm.complete, [0]

        def fails_later(body):
            counted[0] += 1
            if counted[0] == 9:  # the first part has 4 rows, of two passes each
                vllm.faults = Faults(**{fault: 1 << 30})
            return plain(body)

        vllm.complete = fails_later
        with pytest.raises(EndpointError, match=said):
            scored(asking, tmp_path / "work")
        assert [part.name for part in parts(tmp_path / "work")] == ["000000.arrow"]
        assert not (tmp_path / "work" / SCORES).exists()
        settled(lambda: len(vllm.asked))
        vllm.faults, vllm.complete = Faults(), plain
        vllm.asked.clear()
        there = scored(asking, tmp_path / "work")
        assert len(vllm.asked) == 2 * 6, "two passes over the rows of the other parts"
        scored(asking, tmp_path / "work")
        assert len(vllm.asked) == 2 * 6
    same_values(scored(made, tmp_path / "here"), there)


def test_a_server_without_log_probabilities_is_reported(model, tmp_path):
    with running(LocalVllm(model)) as vllm:
        plain = vllm.complete
        vllm.complete = lambda body: plain({**body, "prompt_logprobs": None})
        with pytest.raises(EndpointError, match=r"gave no log-probabilities for a prompt of \d+ tokens"):
            scored(by(vllm.url, Ifd(LanguageModel(model))), tmp_path / "work")


def test_a_token_that_vllm_calls_impossible_gives_no_value_with_the_reason(model, tmp_path):
    with running(LocalVllm(model)) as vllm:
        plain = vllm.complete

        def impossible(body):
            status, found = plain(body)
            result = found["choices"][0]["prompt_logprobs"][-1]
            result[str(body["prompt"][-1])]["logprob"] = -9999.0
            return status, found

        vllm.complete = impossible
        there = scored(by(vllm.url, Perplexity(LanguageModel(model))), tmp_path / "work")
    assert {line["reason"] for line in there} == {"the model's loss is not a finite number"}
    assert {line["perplexity"] for line in there} == {None}


def test_no_server_is_reported(model, tmp_path):
    with pytest.raises(EndpointError, match=r"There is no vLLM at http://127.0.0.1:9: connection failed"):
        scored(by("http://127.0.0.1:9/v1", Perplexity(LanguageModel(model))), tmp_path / "work")


def test_a_row_that_the_server_has_no_room_for_is_reported_with_what_to_do(model, tmp_path):
    with running(LocalVllm(model)) as vllm:
        small = [{**card, "max_model_len": 40} for card in vllm.cards()]
        vllm.cards = lambda: small
        with pytest.raises(ConfigError, match=r"40 tokens .* --max-model-len.*score\.max_length=39"):
            scored(by(vllm.url, Perplexity(LanguageModel(model))), tmp_path / "work")
        cut = scored(by(vllm.url, Perplexity(LanguageModel(model, max_length=39))), tmp_path / "cut")
    here = scored(Perplexity(LanguageModel(model, max_length=39)), tmp_path / "here")
    assert [one["perplexity_truncated"] for one in cut] == [one["perplexity_truncated"] for one in here]


def test_a_row_that_fills_the_context_loses_one_token_of_its_end(model, tmp_path):
    """vLLM always makes one token, which must fit too."""
    rows = [{"prompt": "Long?", "response": "z" * 600}]
    with running(LocalVllm(model)) as vllm:
        (there,) = scored(by(vllm.url, Perplexity(LanguageModel(model))), tmp_path / "there", rows)
    (here,) = scored(Perplexity(LanguageModel(model)), tmp_path / "here", rows)
    assert there["perplexity_tokens"] == here["perplexity_tokens"] - 1
    assert there["perplexity_truncated"] == here["perplexity_truncated"] + 1


def made(name: str = "ifd", **settings) -> LossScorer:
    (found,) = scorers_for([name], score_settings(settings))
    assert isinstance(found, LossScorer)
    return found


def test_the_identity_names_vllm_and_the_options_that_may_change_a_value(model, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    write_command(tmp_path / "bin")
    here = made(model=model).identity()
    there = made(model=model, engine="vllm", server="http://gpu:8000").identity()
    assert there == f"{here}, by vLLM"
    assert made(model=model, engine="vllm", server="http://elsewhere:1").identity() == there
    options = ["--tensor-parallel-size=2", "--quantization=fp8"]
    auto = made(model=model, engine="vllm", server_options=options).identity()
    assert auto == f"{here}, by vLLM --quantization=fp8"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"server": "auto"}, "score.server: is a setting of a vLLM server: set score.engine to vllm"),
        ({"server_options": ["--x"]}, "score.server_options: is a setting of a vLLM server"),
        ({"engine": "vllm", "server": "atuo"}, "score.server: 'atuo' is neither.*Did you mean 'auto'"),
        (
            {"engine": "vllm", "server": "http://a:1", "server_python": "p"},
            "score.server_python: is for a server that is started here",
        ),
        ({"engine": "vllm", "compile": True, "server": "http://a:1"}, "score.compile: is for transformers"),
    ],
)
def test_settings_that_mean_nothing_together_are_named(settings, said, model):
    with pytest.raises(ConfigError, match=said):
        made(model=model, **settings).identity()


def test_a_wrong_engine_and_a_scorer_that_knows_no_server_are_reported():
    with pytest.raises(ConfigError, match=r"score\.engine: cannot be 'vlm'\. Did you mean 'vllm'"):
        made(engine="vlm")
    with pytest.raises(ConfigError, match=r"score\.engine: 't-shirt' has no such setting"):
        made("t-shirt", engine="vllm")


def test_a_vllm_that_is_not_there_is_named_before_any_work(model, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingPart, match=r"no 'vllm' on PATH.*server_python"):
        made(model=model, engine="vllm").identity()


def test_the_estimate_says_who_computes(model):
    pool = MemoryPool(ROWS)
    assert (
        "by a vLLM server that is started here"
        in made(model=model, engine="vllm").estimate(pool, None).sentence
    )
    at = made(model=model, engine="vllm", server="http://gpu:8000").estimate(pool, None).sentence
    assert "by vLLM at http://gpu:8000" in at and "10 rows" in at


COMMAND = """
import sys
from handpicked.cli import main
from handpicked.scorers.lm.loss_scorer import LossScorer
LossScorer.part_rows = 8
sys.argv = ["handpicked", *sys.argv[1:]]
main()
"""


@pytest.mark.slow
def test_a_killed_command_ends_its_server_and_pays_for_nothing_twice(model, tmp_path):
    """Killed by a signal that cannot be caught, with the server that it has started; then run again."""
    rows = [{"prompt": f"say {n}", "response": f"{n} " * (5 + n % 20)} for n in range(64)]
    (tmp_path / "pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    write_command(tmp_path / "bin")
    environment = {
        **os.environ,
        "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "HANDPICKED_CACHE": str(tmp_path / "cache"),
    }
    command = [
        *(sys.executable, "-c", COMMAND, "score", str(tmp_path / "pool.jsonl"), "--scorer", "ifd"),
        *("--model", model, "--set", "score.engine=vllm", "-o", str(tmp_path / "out")),
    ]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
    while not parts(tmp_path / "cache"):
        assert process.poll() is None, process.stderr and process.stderr.read().decode()
        time.sleep(0.01)
    process.kill()
    process.wait()
    kept = {part: part.stat().st_mtime_ns for part in parts(tmp_path / "cache")}
    assert 0 < len(kept) < 8 and not (tmp_path / "out" / "scores.parquet").exists()

    again = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    servers = [int(line.split()[0]) for line in (tmp_path / "bin" / "starts").read_text().splitlines()]
    assert len(servers) == 2 and all(map(gone, servers))
    (log,) = (tmp_path / "cache").rglob("vllm.log")
    *_, first, second = log.read_text().split(" begins: ")
    assert first.count("POST /v1/completions") >= 2 * 8 * len(kept)
    assert second.count("POST /v1/completions") == 2 * (64 - 8 * len(kept))

"""An answer depends on its prompt and model alone: not on its batch, not on a kill,
not on the padding token.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from handpicked.config import GenerateSettings, ModelSettings
from handpicked.errors import ConfigError, MissingPart
from handpicked.generate import generate
from handpicked.models.load import load_model, load_tokenizer
from handpicked.models.served import ArmModel
from handpicked.records import Message, Prompt
from handpicked.workers import Workers

pytest.importorskip("transformers", reason="needs the train extra")

PROMPTS = [Prompt(f"p{i}", (Message("user", "why " * i + "?"),), "test") for i in (1, 9, 3, 30, 2, 17, 5)]
SETTINGS = GenerateSettings(max_new_tokens=24, batch_size=3)


@pytest.fixture
def model(tiny_model: Path) -> ModelSettings:
    return ModelSettings(name=str(tiny_model), dtype="float32")


def ask(model: ModelSettings, out: Path, settings: GenerateSettings = SETTINGS, prompts=PROMPTS):
    return generate(prompts, ArmModel(model), settings, out, name="base")


def test_a_greedy_answer_is_what_the_model_says_alone(model, tmp_path):
    """Against transformers' own generate, one prompt at a time and without padding."""
    answers = ask(model, tmp_path / "a.jsonl")
    assert [answer.prompt_id for answer in answers] == [prompt.prompt_id for prompt in PROMPTS]
    tokenizer, loaded = load_tokenizer(model), load_model(model)
    for prompt, answer in zip(PROMPTS, answers, strict=True):
        turns = [{"role": "user", "content": prompt.text}]
        inputs = tokenizer.apply_chat_template(
            turns, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        alone = loaded.generate(**inputs, max_new_tokens=24, do_sample=False)[
            0, inputs["input_ids"].shape[1] :
        ].tolist()
        assert answer.finished == (2 in alone)
        alone = alone[: alone.index(2)] if 2 in alone else alone
        assert answer.tokens == len(alone)
        assert answer.text == tokenizer.decode(alone, skip_special_tokens=True).strip()


def test_batch_size_and_order_change_no_answer(model, tmp_path):
    by_three = {a.prompt_id: a for a in ask(model, tmp_path / "3.jsonl")}
    one = SETTINGS.model_copy(update={"batch_size": 1})
    assert {a.prompt_id: a for a in ask(model, tmp_path / "1.jsonl", one, PROMPTS[::-1])} == by_three


def test_an_answer_ends_at_the_end_token_and_says_so(model, tmp_path, monkeypatch):
    from handpicked.generate import answers as module

    def engine(batch, seed):
        return [[70, 71, 2, 2, 2] if r.prompt_id == "p1" else [70, 71, 72, 73, 74] for r in batch]

    monkeypatch.setattr(module, "_engine", lambda *_: (engine, frozenset({2})))
    by_id = {a.prompt_id: a for a in ask(model, tmp_path / "a.jsonl")}
    assert (by_id["p1"].tokens, by_id["p1"].finished) == (2, True)
    assert (by_id["p2"].tokens, by_id["p2"].finished) == (5, False)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_torn_file_is_completed_to_the_same_answers(model, tmp_path, temperature):
    settings = SETTINGS.model_copy(update={"temperature": temperature})
    whole = ask(model, tmp_path / "whole.jsonl", settings)
    content = (tmp_path / "whole.jsonl").read_bytes()
    torn = tmp_path / "torn.jsonl"
    torn.write_bytes(content[: len(content) * 6 // 10])
    assert ask(model, torn, settings) == whole
    assert torn.read_bytes() == content
    before = torn.stat().st_mtime_ns
    assert ask(model, torn, settings) == whole
    assert torn.stat().st_mtime_ns == before, "nothing was left to do"


def test_seeds_decide_samples(model, tmp_path):
    hot = SETTINGS.model_copy(update={"temperature": 1.0})
    first, again = (ask(model, tmp_path / f"{name}.jsonl", hot) for name in "ab")
    other = ask(model, tmp_path / "c.jsonl", hot.model_copy(update={"seed": 1}))
    assert first == again != other


def test_a_prompt_too_long_for_the_model_is_reported(model, tmp_path):
    long = [Prompt("long", (Message("user", "x" * 600),), "test")]
    with pytest.raises(ConfigError, match="context of 512 tokens"):
        ask(model, tmp_path / "a.jsonl", prompts=long)


def test_a_prompt_given_twice_is_reported(model, tmp_path):
    with pytest.raises(ConfigError, match="twice"):
        ask(model, tmp_path / "a.jsonl", prompts=[PROMPTS[0], PROMPTS[0]])


def test_vllm_where_it_is_not_is_reported(model, tmp_path):
    try:
        import vllm  # noqa: F401
    except ImportError:
        with pytest.raises(MissingPart, match="pip install vllm"):
            ask(model, tmp_path / "a.jsonl", SETTINGS.model_copy(update={"engine": "vllm"}))
    else:
        pytest.skip("vLLM is installed here")


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_two_workers_answer_as_one_does(model, tmp_path, temperature):
    settings = SETTINGS.model_copy(update={"temperature": temperature, "max_new_tokens": 4})
    prompts = [
        Prompt(f"q{i}", (Message("user", "why " * (i % 9) + str(i)),), "test") for i in range(150)
    ]  # three parts
    one = ask(model, tmp_path / "one.jsonl", settings, prompts)
    two = generate(
        prompts,
        ArmModel(model),
        settings,
        tmp_path / "two.jsonl",
        name="base",
        workers=Workers(devices="cpu:2"),
    )
    assert one == two and (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "two.jsonl").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"one.jsonl", "two.jsonl"}


def test_parts_that_are_done_are_not_asked_again_after_a_kill(model, tmp_path, monkeypatch):
    from handpicked.generate import answers as module

    asked: list[str] = []
    stop = [70]

    def engine(batch, seed):
        if len(asked) >= stop[0]:
            raise KeyboardInterrupt
        asked.extend(request.prompt_id for request in batch)
        return [[70, 71, 2] for _ in batch]

    monkeypatch.setattr(module, "_engine", lambda *_: (engine, frozenset({2})))
    prompts = [Prompt(f"q{i}", (Message("user", str(i)),), "test") for i in range(150)]
    with pytest.raises(KeyboardInterrupt):
        ask(model, tmp_path / "a.jsonl", prompts=prompts)
    assert not (tmp_path / "a.jsonl").exists() and len(asked) == 72
    stop[0] = 1000
    assert len(ask(model, tmp_path / "a.jsonl", prompts=prompts)) == 150
    assert len(asked) == 72 + 150 - 63, "a part is 21 batches of three"

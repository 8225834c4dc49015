"""A reward is what plain transformers says of a row by itself, whatever the batch."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from handpicked.config import BUNDLED_LM, ModelSettings
from handpicked.errors import ConfigError
from handpicked.progress import SILENT
from handpicked.scorers.model.reward import Reward
from handpicked.scorers.pool_scorer import FACTS, SCORES
from made_examples import MadePool, dying, example, made_pool, parts, scores, stopped

torch = pytest.importorskip("torch", reason="needs the lm extra")

POOL = made_pool(11)


def classifier(tiny_model: Path, folder: Path, **config) -> Path:
    """A random sequence classifier with the tokenizer of the tiny model."""
    from transformers import LlamaConfig, LlamaForSequenceClassification

    shutil.copytree(tiny_model, folder, ignore=shutil.ignore_patterns("model*", "config.json"))
    torch.manual_seed(1)
    base = LlamaConfig.from_pretrained(tiny_model)
    for key, value in config.items():
        setattr(base, key, value)
    LlamaForSequenceClassification(base).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return classifier(tiny_model, tmp_path_factory.mktemp("reward") / "model", num_labels=1)


@pytest.fixture
def reward(folder: Path) -> Reward:
    return Reward(ModelSettings(name=str(folder), dtype="float32"))


def run(scorer, work: Path, pool: MadePool = POOL, rows=None):
    work.mkdir(exist_ok=True)
    scorer.score(pool, rows, work, SILENT)
    return scores(work, "reward", "reward_truncated")


def by_hand(folder: Path, pool: MadePool) -> list[float]:
    """One row at a time, as a model card would say."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    values = []
    for one in pool.found:
        turns = [{"role": m.role, "content": m.content} for m in one.messages]
        ids = tokenizer.apply_chat_template(turns, return_tensors="pt", return_dict=True)
        with torch.no_grad():
            values.append(float(model(**ids).logits[0, 0]))
    return values


@pytest.mark.parametrize("batch_tokens", [1, 300, 100_000])
def test_it_is_the_models_output_for_the_row_by_itself(reward, folder, tmp_path, batch_tokens):
    values, cut, reasons = run(replace(reward, batch_tokens=batch_tokens), tmp_path)
    assert values == pytest.approx(by_hand(folder, POOL), abs=1e-4)
    assert cut == [0.0] * 11 and reasons == [None] * 11
    assert max(values) - min(values) > 0.01, "a model that says the same of every row tests nothing"


def test_a_model_without_a_padding_token_is_given_no_padding(tiny_model, tmp_path):
    folder = classifier(tiny_model, tmp_path / "model", num_labels=1, pad_token_id=None)
    scorer = Reward(ModelSettings(name=str(folder), dtype="float32"), batch_tokens=100_000)
    values, *_ = run(scorer, tmp_path / "work")
    assert values == pytest.approx(by_hand(folder, POOL), abs=1e-4)


def test_the_order_of_the_pool_does_not_matter(reward, tmp_path):
    values, *_ = run(reward, tmp_path / "a")
    moved = POOL.shuffled()
    again, *_ = run(reward, tmp_path / "b", moved)
    by_id = dict(zip((one.id for one in POOL.found), values, strict=True))
    assert again == [by_id[one.id] for one in moved.found]


def test_long_rows_are_cut_and_counted_and_empty_ones_have_a_reason(reward, tmp_path):
    pool = MadePool((example(0, "hi", "there"), example(1, "hi", "x" * 600), example(2, "hi", " \n")))
    (short, long, empty), cut, reasons = run(reward, tmp_path, pool)
    assert short is not None and long is not None and empty is None
    # the template, its system prompt, "hi" and 600 bytes, against the model's context of 512
    assert cut[0] == 0 and 600 - 512 < cut[1] < 700 - 512 and cut[2] is None
    assert reasons == [None, None, "the response is empty"]


def test_some_rows_only(reward, tmp_path):
    all_rows, *_ = run(reward, tmp_path / "all")
    some, *_ = run(reward, tmp_path / "some", rows=[2, 5, 7])
    assert some == pytest.approx([all_rows[2], all_rows[5], all_rows[7]], abs=1e-4)


def test_after_a_kill_only_what_is_missing_is_computed(reward, tmp_path, monkeypatch):
    monkeypatch.setattr(Reward, "part_rows", 4)
    scorer = replace(reward, batch_tokens=300)
    whole = run(scorer, tmp_path / "whole")
    stopped(scorer, POOL, tmp_path / "torn", after=3)
    done = {part: part.stat().st_ino for part in parts(tmp_path / "torn")}
    with pytest.raises(KeyboardInterrupt):
        scorer.score(POOL, None, tmp_path / "torn", dying(7))
    again = {part: part.stat().st_ino for part in parts(tmp_path / "torn")}
    assert done.items() < again.items(), "what was done stays as it was"
    assert run(scorer, tmp_path / "torn") == whole
    assert {file.name for file in (tmp_path / "torn").iterdir()} == {FACTS, SCORES}


def test_the_estimate_names_rows_tokens_and_time_without_weights(reward, monkeypatch):
    monkeypatch.setattr(
        "handpicked.scorers.model.reward.load_classifier", lambda _: pytest.fail("weights were read")
    )
    found = reward.estimate(POOL, None)
    assert "11 rows" in found.sentence and "tokens" in found.sentence and "on this" in found.sentence
    assert found.seconds > 0 and found.usd == 0


def test_the_weights_are_part_of_the_identity(reward, tiny_model, tmp_path):
    other = classifier(tiny_model, tmp_path / "model", num_labels=1, hidden_act="gelu")
    assert reward.identity() != replace(reward, model=ModelSettings(name=str(other))).identity()


def test_what_is_no_reward_model_is_refused(tiny_model, tmp_path):
    several = classifier(tiny_model, tmp_path / "several", num_labels=3)
    wordless = classifier(tiny_model, tmp_path / "wordless", num_labels=1)
    (wordless / "chat_template.jinja").unlink()
    for name, why in (
        (str(tiny_model), "LlamaForCausalLM"),
        (str(several), "3 labels"),
        (str(tmp_path / "nowhere"), "no model folder"),
        (str(wordless), "no chat template"),
        (BUNDLED_LM, "none is bundled"),
    ):
        scorer = Reward(ModelSettings(name=name))
        with pytest.raises(ConfigError, match=why):
            scorer.score(POOL, None, tmp_path, SILENT)


def test_a_reward_model_of_the_hub_is_loaded_by_the_commit_that_its_identity_names(
    cached_hub, folder, reward, tmp_path, monkeypatch
):
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

    commit = cached_hub("made/reward", folder)
    hub = replace(reward, model=ModelSettings(name="made/reward", dtype="float32"))
    assert hub.identity().startswith(f"made/reward@{commit}")
    asked = []
    for kind in (AutoConfig, AutoModelForSequenceClassification, AutoTokenizer):

        def spied(place, *rest, real=kind.from_pretrained, **options):
            asked.append(options["revision"])
            return real(place, *rest, **options)

        monkeypatch.setattr(kind, "from_pretrained", spied)
    assert run(hub, tmp_path / "hub-work") == run(reward, tmp_path / "folder-work")
    assert set(asked) == {commit, None}, "the commit for the hub, none for the folder"


def test_missing_weights_are_no_random_numbers(folder, tmp_path):
    from safetensors.torch import load_file, save_file

    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    weights = load_file(broken / "model.safetensors")
    save_file(
        {name: value for name, value in weights.items() if name != "score.weight"},
        broken / "model.safetensors",
        metadata={"format": "pt"},
    )
    with pytest.raises(ConfigError, match=r"score\.weight"):
        Reward(ModelSettings(name=str(broken))).score(POOL, None, tmp_path, SILENT)

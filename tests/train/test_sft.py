"""Training a tiny random Llama through TRL: exact, repeatable, resumable, silent."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from handpicked._version import __version__
from handpicked.config import ModelSettings, TrainSettings
from handpicked.errors import MissingPart, StoreError, TrainingError
from handpicked.models.load import load_model
from handpicked.train import train
from handpicked.train.checkpoints import is_whole

pytest.importorskip("trl", reason="needs the train extra")

SETTINGS = TrainSettings(epochs=2, batch_size=4, micro_batch_size=2, learning_rate=1e-2, save_every=1, seed=7)


@pytest.fixture
def model(tiny_model: Path) -> ModelSettings:
    return ModelSettings(name=str(tiny_model))


def test_it_learns_and_says_what_it_did(rows, model, tmp_path, capfd):
    result = train(rows, model, SETTINGS, tmp_path / "out", arm="longest")
    steps, losses = zip(*result.losses, strict=True)
    assert steps == (1, 2, 3, 4, 5, 6)
    assert losses[-1] < losses[0] - 0.5
    assert (result.rows_used, result.rows_in_subset, result.steps, result.resumed_from) == (12, 12, 6, 0)
    assert 0 < result.response_tokens < result.training_tokens
    # every byte is a token: the responses and their end tokens, twice
    assert result.response_tokens == 2 * sum(len(row.response) + 1 for row in rows)
    assert result.tokens_per_second > 0
    assert (result.learning_rate, result.warmup_steps) == (1e-2, 0)
    assert 0 < result.weight_change_relative < 1 < result.weight_change
    out, err = capfd.readouterr()
    assert (out, err) == ("", ""), "the terminal belongs to handpicked's own progress"


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_single_step_is_a_step(rows, model, tmp_path, method):
    """Batch 128 and a warm-up of 0.03 once gave the only step of a small arm the
    learning rate 0: the base model.
    """
    result = train(rows, model, TrainSettings(method=method, epochs=1), tmp_path / "out", arm="longest")
    rate = {"lora": 2e-4, "full": 2e-5}[method]
    assert (result.steps, result.warmup_steps, result.rate_sum) == (1, 0, rate)
    assert result.weight_change > 0
    card = ((result.adapter or result.merged) / "README.md").read_text()
    assert f"{rate:g} (default for {method})" in card and f'"learning_rate": {rate!r}' in card


@pytest.mark.parametrize("scheduler", ["cosine", "linear", "constant"])
def test_training_runs_at_the_planned_rates(rows, model, tmp_path, monkeypatch, scheduler):
    """Twelve steps, three of them warm-up: read from the optimizer itself."""
    import torch

    used = []
    step = torch.optim.AdamW.step
    monkeypatch.setattr(
        torch.optim.AdamW,
        "step",
        lambda self, *args: used.append(self.param_groups[0]["lr"]) or step(self, *args),
    )
    changes = {"batch_size": 2, "warmup_ratio": 0.29, "scheduler": scheduler, "keep_optimizer": False}
    result = train(rows, model, SETTINGS.model_copy(update=changes), tmp_path / "out", arm="a")
    assert (result.steps, result.warmup_steps, len(used)) == (12, 3, 12)
    assert used[:4] == pytest.approx([0, 1e-2 / 3, 2e-2 / 3, 1e-2])
    assert result.rate_sum == pytest.approx(sum(used))


def test_token_accuracy_weighs_every_learned_token_alike(rows, model, tmp_path):
    """At a step that moves next to nothing, both passes see the base model: its accuracy
    over all response tokens.
    """
    import torch

    from handpicked.models.load import load_tokenizer
    from handpicked.models.template import load_template
    from handpicked.train.encode import encode

    settings = SETTINGS.model_copy(update={"learning_rate": 1e-8, "batch_size": 5})
    result = train(rows, model, settings, tmp_path / "out", arm="a")
    untouched, hits, tokens = load_model(model), 0, 0
    for row in encode(rows, load_template("auto", load_tokenizer(model)), 1024, tmp_path / "rows").rows:
        with torch.no_grad():
            best = untouched(torch.tensor([row.ids])).logits[0].argmax(-1).tolist()
        for predicted, label in zip(best, row.labels[1:], strict=False):
            hits, tokens = hits + (label == predicted), tokens + (label != -100)
    assert 0 < hits < tokens
    assert result.token_accuracy == pytest.approx(hits / tokens)
    assert len(result.token_accuracies) == result.steps == 5
    shares = dict(result.token_accuracies)
    assert min(shares.values()) <= result.token_accuracy_last_pass <= max(shares.values())


def test_what_is_repeated_is_learned(rows, model, tmp_path):
    """Four rows, forty passes: token accuracy of the last one says so."""
    settings = SETTINGS.model_copy(update={"epochs": 40.0, "save_every": 100})
    result = train(rows[:4], model, settings, tmp_path / "out", arm="a")
    assert result.token_accuracies[0][1] < 0.3
    assert result.token_accuracy < result.token_accuracy_last_pass
    assert result.token_accuracy_last_pass > 0.9


def test_rows_cut_are_counted_among_those_trained_on(example, model, tmp_path):
    rows = [example(number, "Hi", "x" * 300) for number in range(12)]
    settings = SETTINGS.model_copy(update={"max_length": 100, "budget_tokens": 450})
    result = train(rows, model, settings, tmp_path / "out", arm="longest")
    assert (result.rows_used, result.rows_in_subset) == (4, 12)
    assert (result.rows_truncated, result.rows_end_readded) == (4, 4)


def test_adapter_and_merged_model_are_safetensors_with_a_card(rows, model, tmp_path):
    import torch

    result = train(rows, model, SETTINGS, tmp_path / "out", arm="longest")
    written = {
        str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()
    }
    assert {"adapter/adapter_model.safetensors", "model/model.safetensors", "model/tokenizer.json"} <= written
    assert not [name for name in written if name.endswith((".bin", ".pt", ".pth", ".pkl"))], "pickles"
    assert not (tmp_path / "out" / "checkpoints").exists()
    for folder in (result.adapter, result.merged):
        card = (folder / "README.md").read_text()
        assert "longest" in card and f"handpicked {__version__}" in card and '"learning_rate": 0.01' in card
    ids = torch.arange(3, 40)[None]
    with torch.no_grad():
        by_adapter = load_model(model, adapter=result.adapter)(ids).logits
        merged = load_model(ModelSettings(name=str(result.merged)))(ids).logits
        untouched = load_model(model)(ids).logits
    torch.testing.assert_close(by_adapter, merged)
    assert not torch.allclose(merged, untouched, atol=0.1)


def test_the_modules_of_an_adapter_are_written_in_order(rows, model, tmp_path):
    """Not as a set gives them: that order differs from process to process."""
    train(rows, model, SETTINGS, tmp_path / "out", arm="longest")
    written = json.loads((tmp_path / "out/adapter/adapter_config.json").read_text())["target_modules"]
    assert len(written) > 5 and written == sorted(written)


def test_same_seed_same_losses_other_seed_others(rows, model, tmp_path):
    runs = [train(rows, model, SETTINGS, tmp_path / name, arm="a").losses for name in ("1", "2")]
    assert runs[0] == runs[1]
    assert train(rows, model, SETTINGS, tmp_path / "3", arm="a", seed=8).losses != runs[0]


def test_full_fine_tuning_saves_the_model_itself(rows, model, tmp_path):
    settings = SETTINGS.model_copy(update={"method": "full", "learning_rate": 1e-3})
    result = train(rows, model, settings, tmp_path / "out", arm="a")
    assert result.adapter is None
    assert result.losses[-1][1] < result.losses[0][1]
    load_model(ModelSettings(name=str(result.merged)))
    assert not list((tmp_path / "out").rglob("*.bin"))


def test_the_micro_batch_size_changes_no_loss(rows, model, tmp_path):
    small = SETTINGS.model_copy(update={"micro_batch_size": 1})
    one = train(rows, model, small, tmp_path / "1", arm="a").losses
    two = train(rows, model, SETTINGS, tmp_path / "2", arm="a").losses
    assert [loss for _, loss in one] == pytest.approx([loss for _, loss in two], rel=1e-4)


def test_packed_rows_do_not_see_each_other(rows, model, tmp_path):
    settings = SETTINGS.model_copy(update={"batch_size": 12, "epochs": 1.0, "max_length": 300})
    apart = train(rows, model, settings, tmp_path / "apart", arm="a").losses
    packed = train(
        rows, model, settings.model_copy(update={"packing": True}), tmp_path / "packed", arm="a"
    ).losses
    assert [loss for _, loss in packed] == pytest.approx([loss for _, loss in apart], rel=1e-4)


def test_loss_and_token_accuracy_are_trls(rows, model, tmp_path, monkeypatch):
    """TRL's own compute_loss over every position gives the same curves as the head
    on labelled positions only.
    """
    from handpicked.train.trainer import ResponseTrainer

    ours = train(rows, model, SETTINGS, tmp_path / "ours", arm="a")
    monkeypatch.setattr(ResponseTrainer, "_left_to_trl", lambda *_: True)
    theirs = train(rows, model, SETTINGS, tmp_path / "theirs", arm="a")
    assert [loss for _, loss in ours.losses] == pytest.approx([loss for _, loss in theirs.losses], rel=1e-5)
    assert [share for _, share in ours.token_accuracies] == pytest.approx(
        [share for _, share in theirs.token_accuracies], abs=1e-6
    )


def test_a_loss_that_is_no_number_never_becomes_a_model(rows, model, tmp_path):
    settings = SETTINGS.model_copy(update={"method": "full", "learning_rate": 1e30, "warmup_ratio": 0.0})
    with pytest.raises(TrainingError, match="learning_rate"):
        train(rows, model, settings, tmp_path / "out", arm="a")
    assert not (tmp_path / "out" / "model").exists()


def test_a_model_that_gives_no_number_is_not_blamed_on_the_learning_rate(rows, model, tmp_path):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    broken = AutoModelForCausalLM.from_pretrained(model.name)
    with torch.no_grad():
        broken.model.norm.weight.fill_(float("nan"))
    broken.save_pretrained(tmp_path / "broken")
    AutoTokenizer.from_pretrained(model.name).save_pretrained(tmp_path / "broken")
    with pytest.raises(TrainingError, match="nan at step 1, before any weight has changed"):
        train(rows, ModelSettings(name=str(tmp_path / "broken")), SETTINGS, tmp_path / "out", arm="a")


def test_rows_without_a_learned_token_give_no_loss(rows, model, tmp_path, monkeypatch):
    from handpicked.models.template import Encoded, Template

    encode = Template.encode

    def unlearned(self, messages, turns):
        whole = encode(self, messages, turns)
        return Encoded(whole.ids, [-100] * len(whole.ids))

    monkeypatch.setattr(Template, "encode", unlearned)
    with pytest.raises(TrainingError, match="12 rows that 'a' is trained on have no token to learn"):
        train(rows, model, SETTINGS, tmp_path / "out", arm="a")


def test_steps_that_could_move_nothing_are_refused_before_training(rows, model, tmp_path):
    settings = SETTINGS.model_copy(update={"learning_rate": 1e-20})
    with pytest.raises(TrainingError, match="cannot move a weight"):
        train(rows, model, settings, tmp_path / "out", arm="a")


def test_a_disk_that_is_too_small_is_reported_before_training(rows, model, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 99, 1))
    with pytest.raises(StoreError, match="are free"):
        train(rows, model, SETTINGS, tmp_path / "out", arm="a")


def test_qlora_without_bitsandbytes_is_reported(rows, model, tmp_path):
    if find_spec("bitsandbytes"):
        pytest.skip("bitsandbytes is installed")
    with pytest.raises(MissingPart, match="pip install bitsandbytes"):
        train(rows, model, SETTINGS.model_copy(update={"method": "qlora"}), tmp_path / "out", arm="a")


def job(rows, model: ModelSettings, settings: TrainSettings, out: Path) -> Path:
    """A job file for ``python -m handpicked.train``."""
    from handpicked.train.job import write_job

    return write_job(out.with_suffix(".job"), rows, model, settings, out, arm="a")


def test_killed_and_resumed_gives_the_same_curve(rows, model, tmp_path):
    settings = SETTINGS.model_copy(update={"epochs": 8.0})
    whole = train(rows, model, settings, tmp_path / "whole", arm="a")

    out = tmp_path / "killed"
    process = subprocess.Popen(
        [sys.executable, "-m", "handpicked.train", str(job(rows, model, settings, out))]
    )
    # whole, and not only begun: on a busy machine the kill would else hit the first one half written
    while not any(is_whole(one) for one in out.glob("checkpoints/checkpoint-*")):
        assert process.poll() is None, "finished before it could be killed"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (out / "model").exists()

    resumed = train(rows, model, settings, out, arm="a")
    assert 0 < resumed.resumed_from < whole.steps
    assert resumed.losses == whole.losses
    assert resumed.token_accuracies == whole.token_accuracies
    assert (resumed.token_accuracy, resumed.weight_change) == (whole.token_accuracy, whole.weight_change)


def test_a_torn_checkpoint_and_one_of_another_training_are_not_used(rows, model, tmp_path):
    whole = train(rows, model, SETTINGS, tmp_path / "whole", arm="a")
    torn = tmp_path / "out" / "checkpoints" / "checkpoint-3"
    torn.mkdir(parents=True)
    (torn / "trainer_state.json").write_text('{"global_step": 3, "log_his')
    (torn.parent / "training.json").write_text(json.dumps({"fingerprint": "another"}))
    result = train(rows, model, SETTINGS, tmp_path / "out", arm="a")
    assert result.resumed_from == 0
    assert result.losses == whole.losses

"""The export for TRL, by TRL's own reader, tokenizer and trainer."""

from __future__ import annotations

import json

import pytest
import yaml

pytest.importorskip("trl", reason="needs the train extra")


def parsed(folder):
    """train.yaml as ``trl sft --config`` reads it; an unknown key is an error."""
    from trl import DatasetMixtureConfig, ModelConfig, ScriptArguments, SFTConfig, TrlParser

    parser = TrlParser((ScriptArguments, SFTConfig, ModelConfig, DatasetMixtureConfig))
    words = ["--config", str(folder / "train.yaml"), "--bf16", "false", "--use_cpu", "true"]
    return parser.parse_args_and_config(words, fail_with_unknown_args=True)


@pytest.mark.parametrize("method", ["full", "lora", "qlora"])
def test_trl_reads_every_setting(export, method, monkeypatch):
    made = export("trl", method=method, neftune_noise=5)
    _, args, model, data = parsed(made.folder)
    assert args.per_device_train_batch_size * args.gradient_accumulation_steps == 128
    assert args.learning_rate == (2e-5 if method == "full" else 2e-4)
    assert (args.lr_scheduler_type, args.max_length, args.seed, args.weight_decay) == ("cosine", 1024, 0, 0)
    assert args.completion_only_loss and args.neftune_noise_alpha == 5 and args.num_train_epochs == 3
    assert model.use_peft == (method != "full") and model.load_in_4bit == (method == "qlora")
    if method != "full":
        assert (model.lora_r, model.lora_alpha, model.lora_target_modules) == (16, 32, "all-linear")
    assert data.datasets[0].data_files == "data.jsonl"


def test_trl_loads_the_rows_as_they_are(export, monkeypatch, tmp_path):
    import datasets
    from trl import get_dataset

    made = export("trl")
    monkeypatch.chdir(made.folder)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    found = get_dataset(parsed(made.folder)[3])["train"].to_list()
    for row, read in zip(made.rows, found, strict=True):
        assert read["prompt"] + read["completion"] == row["prompt"] + row["completion"]
        assert read["tools"] == row.get("tools")
    assert found[2]["completion"][0]["tool_calls"][0]["function"]["arguments"] == {"x": 1, "y": 2}
    assert json.loads(found[1]["tools"])[0]["function"]["name"] == "weather"


def test_all_responses_are_learned_where_the_pool_was_read_so(export):
    made = export("trl", turns="all")
    assert made.config["assistant_only_loss"] and "completion_only_loss" not in made.config
    assert [turn["role"] for turn in made.rows[3]["messages"]] == ["user", "assistant"] * 2


@pytest.mark.slow
def test_trl_trains_on_it(tiny_model, export):
    import subprocess
    import sys

    rows = [{"instruction": f"Count to {n}.", "output": " ".join(map(str, range(n)))} for n in range(1, 9)]
    made = export("trl", rows, epochs=1, batch_size=4, method="full")
    file = made.folder / "train.yaml"
    config = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump({**config, "model_name_or_path": str(tiny_model), "bf16": False}))
    start = "from trl.cli import main; main()"
    words = [sys.executable, "-c", start, "sft", "--config", "train.yaml", "--use_cpu", "true"]
    done = subprocess.run(words, cwd=made.folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    state = json.loads(next(made.folder.glob("out/checkpoint-*/trainer_state.json")).read_text())
    assert state["global_step"] == 2 and state["train_batch_size"] == 4

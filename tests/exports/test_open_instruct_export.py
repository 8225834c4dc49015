"""The export for open-instruct: a command that a shell runs, with flags of its finetune.py."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

FLAGS = {
    "model_name_or_path", "tokenizer_name_or_path", "dataset_mixer_list", "dataset_mixer_list_splits",
    "output_dir", "gradient_accumulation_steps", "dataset_transform_fn", "max_seq_length", "packing",
    "per_device_train_batch_size", "use_lora", "use_qlora", "lora_rank", "lora_alpha", "lora_dropout",
    "num_train_epochs", "learning_rate", "lr_scheduler_type", "warmup_ratio", "weight_decay",
    "gradient_checkpointing", "seed", "logging_steps", "do_not_randomize_output_dir", "push_to_hub",
    "try_launch_beaker_eval_jobs", "try_auto_save_to_beaker",
}  # fmt: skip
"""Fields of FlatArguments and TokenizerConfig of open-instruct at commit e6c3044 that an export may use."""


def started(made, tmp_path, **environment):
    """The words that train.sh gives to ``accelerate``, by a stand-in that prints them."""
    (tmp_path / "bin").mkdir(exist_ok=True)
    stand_in = tmp_path / "bin/accelerate"
    stand_in.write_text('#!/bin/sh\npwd\nprintf "%s\\n" "$@"\n')
    stand_in.chmod(0o755)
    (tmp_path / "open-instruct").mkdir(exist_ok=True)
    environ = {
        "PATH": f"{tmp_path}/bin:{os.environ['PATH']}",
        "OPEN_INSTRUCT": f"{tmp_path}/open-instruct",
        **environment,
    }
    done = subprocess.run(["bash", made.folder / "train.sh"], env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    folder, *words = done.stdout.splitlines()
    assert folder == f"{tmp_path}/open-instruct"
    return words


def given(words):
    found, name = {}, ""
    for word in words[words.index("open_instruct/finetune.py") + 1 :]:
        if word.startswith("--"):
            name = word[2:]
            found[name] = []
        else:
            found[name].append(word)
    return found


@pytest.mark.parametrize("method", ["full", "lora", "qlora"])
def test_the_command_starts_finetune_with_its_flags(export, tmp_path, method):
    made = export("open-instruct", method=method)
    found = given(started(made, tmp_path, MODEL="my model"))
    assert set(found) <= FLAGS
    assert found["model_name_or_path"] == ["my model"]
    assert found["dataset_mixer_list"] == [f"{made.folder}/data.jsonl", "1.0"]
    assert found["learning_rate"] == ["2e-05" if method == "full" else "0.0002"]
    assert found.get("use_qlora", ["false"]) == ["true" if method == "qlora" else "false"]
    assert found["push_to_hub"] == found["try_launch_beaker_eval_jobs"] == ["false"]


def test_the_batch_stays_on_several_devices(export, tmp_path):
    made = export("open-instruct")
    words = started(made, tmp_path, DEVICES="8")
    assert words[words.index("--num_processes") + 1] == "8"
    assert given(words)["gradient_accumulation_steps"] == ["4"]  # x 4 rows x 8 devices


def test_which_turns_are_learned(export):
    for turns, name in (("last", "last_turn_tulu"), ("all", "sft_tulu")):
        text = (export("open-instruct", turns=turns).folder / "train.sh").read_text()
        assert f"--dataset_transform_fn {name}_tokenize_and_truncate_v1 sft_tulu_filter_v1" in text


def test_tools_and_arguments_are_json_text(export):
    rows = export("open-instruct").rows
    assert json.loads(rows[2]["tools"])[0]["function"]["name"] == "add" and "tools" not in rows[0]
    assert rows[2]["messages"][1]["tool_calls"][0]["function"]["arguments"] == '{"x": 1, "y": 2}'
    assert rows[0]["messages"][2]["reasoning_content"] == "Two and two."

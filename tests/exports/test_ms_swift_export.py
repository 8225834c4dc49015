"""The export for ms-swift; by its own arguments and reader where they are installed."""

from __future__ import annotations

import json

import pytest


def test_calls_and_thoughts_are_its_own_turns(export):
    rows = export("ms-swift").rows
    assert [turn["role"] for turn in rows[1]["messages"]] == [
        "user", "tool_call", "tool_call", "tool", "tool", "assistant"
    ]  # fmt: skip
    assert json.loads(rows[1]["messages"][2]["content"]) == {"name": "weather", "arguments": {"city": "Oslo"}}
    assert [turn["content"] for turn in rows[2]["messages"][1:]] == [
        "<think>\nUse it.\n</think>\n\n",
        '{"name": "add", "arguments": {"x": 1, "y": 2}}',
    ]


def test_turns_are_marked_whether_they_are_learned(export):
    made = export("ms-swift")
    marked = [[turn["loss"] for turn in row["messages"] if "loss" in turn] for row in made.rows]
    assert marked == [[True], [False, False, True], [True, True], [False, True]]
    assert made.config["loss_scale"] == "last_round"
    made = export("ms-swift", turns="all")
    assert all(turn.get("loss", True) for row in made.rows for turn in row["messages"])
    assert made.config["loss_scale"] == "default"


@pytest.mark.parametrize("method", ["full", "lora", "qlora"])
def test_its_arguments_take_every_key(export, method):
    pytest.importorskip("swift", reason="ms-swift is not installed")
    from dataclasses import fields

    from swift.arguments import SftArguments
    from transformers import HfArgumentParser

    config = export("ms-swift", method=method, neftune_noise=5).config
    assert set(config) <= {one.name for one in fields(SftArguments)}
    words = []  # as `swift sft train.yaml` makes flags of it
    for key, value in config.items():
        words += [f"--{key}", *(map(str, value) if isinstance(value, list) else [str(value)])]
    found = HfArgumentParser([SftArguments]).parse_args(words)
    assert found.per_device_train_batch_size * found.gradient_accumulation_steps == 128
    assert found.learning_rate == (2e-5 if method == "full" else 2e-4)
    assert (found.dataset, found.max_length, found.truncation_strategy) == (["data.jsonl"], 1024, "right")
    assert found.tuner_type == ("full" if method == "full" else "lora")
    assert found.quant_bits == (4 if method == "qlora" else None)


def test_its_reader_keeps_every_turn(export):
    pytest.importorskip("swift", reason="ms-swift is not installed")
    from datasets import load_dataset
    from swift.dataset import AutoPreprocessor

    made = export("ms-swift")
    data = load_dataset("json", data_files=str(made.folder / "data.jsonl"), split="train",
                        cache_dir=str(made.folder / "cache"))  # fmt: skip
    found = AutoPreprocessor()(data, num_proc=1, load_from_cache_file=False, strict=True)
    for row, read in zip(made.rows, found, strict=True):
        said = [(turn["role"], turn["content"], turn.get("loss")) for turn in row["messages"]]
        assert [(turn["role"], turn["content"], turn.get("loss")) for turn in read["messages"]] == said

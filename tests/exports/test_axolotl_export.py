"""The export for Axolotl; by its own schema where that is installed."""

from __future__ import annotations

import json

import pytest


def learned(row):
    return [turn["content"] or "call" for turn in row["messages"] if turn["training"]]


def test_turns_are_marked_whether_they_are_learned(export):
    assert [learned(row) for row in export("axolotl").rows] == [
        ["It is 4."],
        ["22 in Rome, 4 in Oslo."],
        ["call"],
        ["See you – soon."],
    ]
    assert learned(export("axolotl", turns="all").rows[3]) == ["Hello!", "See you – soon."]


def test_a_turn_of_weight_0_is_not_learned(export):
    turns = [{"role": role, "content": f"{n}"} for n, role in enumerate(["user", "assistant"] * 3)]
    turns[3]["weight"] = 0
    made = export("axolotl", [{"messages": turns}], "all")
    assert learned(made.rows[0]) == ["1", "5"] and not made.exported.lost


def test_arguments_are_json_text_that_it_reads(export):
    rows = export("axolotl").rows
    held = [call["function"]["arguments"] for call in rows[1]["messages"][1]["tool_calls"]]
    assert [json.loads(one) for one in held] == [{"city": "Rome"}, {"city": "Oslo"}]
    assert json.loads(rows[2]["messages"][1]["tool_calls"][0]["function"]["arguments"]) == {"x": 1, "y": 2}
    assert rows[0]["tools"] is None and json.loads(rows[2]["tools"])[0]["function"]["name"] == "add"


def test_arguments_that_are_no_json_stay_what_they_are(export):
    call = {"type": "function", "function": {"name": "f", "arguments": "half {"}}
    turns = [{"role": "user", "content": "Go."}, {"role": "assistant", "content": "", "tool_calls": [call]}]
    (row,) = export("axolotl", [{"messages": turns}]).rows
    assert json.loads(row["messages"][1]["tool_calls"][0]["function"]["arguments"]) == "half {"


@pytest.mark.parametrize("method", ["full", "lora", "qlora"])
def test_its_schema_takes_every_key(export, method):
    pytest.importorskip("axolotl", reason="Axolotl is not installed")
    from axolotl.utils.schemas.config import AxolotlInputConfig

    config = export("axolotl", method=method, neftune_noise=5).config
    known = set(AxolotlInputConfig.model_fields)
    assert set(config) <= known, set(config) - known
    found = AxolotlInputConfig(**{**config, "bf16": False})
    assert found.micro_batch_size * found.gradient_accumulation_steps == 128
    assert found.learning_rate == (2e-5 if method == "full" else 2e-4)
    assert (found.num_epochs, found.warmup_ratio, found.sequence_len) == (3, 0.03, 1024)
    assert (found.excess_length_strategy, found.lr_scheduler) == ("truncate", "cosine")
    assert found.datasets[0].message_field_training == "training"
    assert found.datasets[0].chat_template == "tokenizer_default"
    assert found.adapter == (None if method == "full" else method)


def test_its_tokenizer_learns_the_marked_turns(export, chat_tokenizer):
    pytest.importorskip("axolotl", reason="Axolotl is not installed")
    from axolotl.prompt_strategies import load
    from axolotl.utils.dict import DictDefault

    made = export("axolotl")
    (about,) = made.config["datasets"]
    config = DictDefault(made.config)
    strategy = load(about["type"], chat_tokenizer, config, DictDefault(about))
    said = []
    for row in made.rows:
        read = strategy.tokenize_prompt(row)
        pairs = zip(read["input_ids"], read["labels"], strict=True)
        said.append(chat_tokenizer.decode([token for token, label in pairs if label != -100]).strip())
    assert said == [
        "It is 4.<|im_end|>",
        "22 in Rome, 4 in Oslo.<|im_end|>",
        'add{"x": 1, "y": 2}<|im_end|>',
        "See you – soon.<|im_end|>",
    ]

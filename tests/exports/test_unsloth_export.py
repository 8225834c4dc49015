"""The export for Unsloth: what its script learns is what handpicked's own training learns."""

from __future__ import annotations

import runpy

import pytest

import handpicked as hp

pytest.importorskip("transformers", reason="needs the train extra")


def script(made):
    return runpy.run_path(str(made.folder / "train.py"))


def learned(found, chat_tokenizer):
    pairs = zip(found["input_ids"], found["labels"], strict=True)
    assert all(
        label in (-100, token) for token, label in zip(found["input_ids"], found["labels"], strict=True)
    )
    return chat_tokenizer.decode([token for token, label in pairs if label != -100])


def test_its_settings_are_those_of_handpicked(export):
    found = script(export("unsloth"))
    settings = found["SETTINGS"]
    assert settings["per_device_train_batch_size"] * settings["gradient_accumulation_steps"] == 128
    assert (settings["learning_rate"], found["ADAPTER"]["r"]) == (2e-4, 16)
    assert (found["MODEL"], found["MAX_LENGTH"]) == ("BASE_MODEL", 1024)
    found = script(export("unsloth", turns="all", method="full"))
    assert found["LOAD"] == {"load_in_4bit": False, "full_finetuning": True} and found["ADAPTER"] == {}


@pytest.mark.parametrize("turns", ["last", "all"])
def test_its_script_learns_the_responses_alone(export, chat_tokenizer, turns):
    made = export("unsloth", turns=turns)
    rows = script(made)["encoded"](made.folder / "data.jsonl", chat_tokenizer)
    said = [learned(row, chat_tokenizer).replace("\n", "") for row in rows]
    assert said[0] == "It is 4.<|im_end|>"
    assert said[2] == 'add{"x": 1, "y": 2}<|im_end|>'
    assert said[3] == ("Hello!<|im_end|>" if turns == "all" else "") + "See you – soon.<|im_end|>"
    assert "weather" in chat_tokenizer.decode(rows[1]["input_ids"])


def test_it_encodes_as_handpickeds_own_training(export, chat_tokenizer):
    from handpicked.models.encode import response_turns
    from handpicked.models.template import load_template

    given = [{"instruction": f"Count to {n}.", "output": " ".join(map(str, range(n)))} for n in range(1, 5)]
    made = export("unsloth", given)
    rows = script(made)["encoded"](made.folder / "data.jsonl", chat_tokenizer)
    template = load_template("auto", chat_tokenizer)
    for row, example in zip(rows, hp.read(given).examples(), strict=True):
        own = template.encode(example.messages, response_turns(example))
        assert row["input_ids"][: len(own.ids)] == own.ids
        assert learned(row, chat_tokenizer).rstrip("\n") == chat_tokenizer.decode(
            [token for token in own.labels if token != -100]
        )


def test_a_row_that_is_too_long_keeps_its_end(export, chat_tokenizer):
    given = [
        {"instruction": "Count.", "output": " ".join(map(str, range(99)))},
        {"instruction": "n " * 99, "output": "m"},
    ]
    made = export("unsloth", given, max_length=40)
    (row,) = script(made)["encoded"](made.folder / "data.jsonl", chat_tokenizer)
    assert len(row["input_ids"]) == 40 and row["labels"][-1] == chat_tokenizer.eos_token_id

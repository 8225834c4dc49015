"""The export for LLaMA-Factory; by its own reader where that is installed."""

from __future__ import annotations

import json

import pytest

SAID = {"human": "user", "gpt": "assistant", "observation": "observation", "function_call": "function"}


def test_dataset_info_names_the_fields_that_every_row_has(export):
    made = export("llama-factory")
    (info,) = json.loads((made.folder / "dataset_info.json").read_text()).values()
    assert info["file_name"] == "data.jsonl" and info["formatting"] == "sharegpt"
    assert all(set(row) == set(info["columns"].values()) for row in made.rows)
    assert made.rows[0]["system"] == "Be brief."


def test_calls_and_thoughts_are_what_its_templates_parse(export):
    made = export("llama-factory")
    weather, add = made.rows[1]["conversations"], made.rows[2]["conversations"][-1]
    assert [turn["from"] for turn in weather] == ["human", "function_call", "observation", "gpt"]
    cities = [call["arguments"]["city"] for call in json.loads(weather[1]["value"])]
    assert cities == ["Rome", "Oslo"] and weather[2]["value"].split("\n") == [
        "22",
        "</tool_response>",
        "<tool_response>",
        "4",
    ]
    thought, _, call = add["value"].partition("\n\n")
    assert thought == "<think>\nUse it.\n</think>"
    assert json.loads(call) == [{"name": "add", "arguments": {"x": 1, "y": 2}}]


def test_only_the_last_response_is_learned_unless_the_pool_was_read_so(export):
    assert export("llama-factory").config["mask_history"] is True
    assert export("llama-factory", turns="all").config["mask_history"] is False


def test_an_empty_thought_is_not_learned_where_no_row_thinks(export):
    assert export("llama-factory").config["enable_thinking"] is True
    made = export("llama-factory", [{"instruction": "Go.", "output": "Gone."}], "all")
    assert made.config["enable_thinking"] is False


def test_rows_that_it_skips_or_changes_are_counted(export):
    odd = [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]
    answer = {"role": "assistant", "content": "c"}
    call = {"type": "function", "function": {"name": "f", "arguments": "{}"}}
    given = [{"messages": [*odd, answer]}, {"messages": [odd[0], {**answer, "tool_calls": [call]}]}]
    lost = export("llama-factory", given).exported.lost
    assert sorted(lost.values()) == [1, 1]
    assert "do not alternate" in " ".join(lost) and "text beside tool calls" in " ".join(lost)


def arguments():
    pytest.importorskip("llamafactory", reason="LLaMA-Factory is not installed")
    from llamafactory.hparams.parser import _TRAIN_ARGS

    return _TRAIN_ARGS


@pytest.mark.parametrize("method", ["full", "lora", "qlora"])
def test_its_parser_takes_every_key(export, method):
    kinds = arguments()
    from transformers import HfArgumentParser

    config = export("llama-factory", method=method, neftune_noise=5, packing=True).config
    found = HfArgumentParser(kinds).parse_dict({**config, "bf16": False, "use_cpu": True})
    model, data, train, tuning, _ = found
    assert (data.dataset, data.mask_history, data.neat_packing) == (["handpicked"], True, True)
    assert data.cutoff_len == 1023  # its own, for packing
    assert train.per_device_train_batch_size * train.gradient_accumulation_steps == 128
    assert train.learning_rate == (2e-5 if method == "full" else 2e-4)
    assert tuning.finetuning_type == ("full" if method == "full" else "lora")
    if method != "full":
        assert (tuning.lora_rank, tuning.lora_alpha, tuning.lora_target) == (16, 32, ["all"])
    assert model.quantization_bit == (4 if method == "qlora" else None)


def test_its_reader_finds_the_turns(export):
    arguments()
    from llamafactory.data.converter import get_dataset_converter
    from llamafactory.data.parser import get_dataset_list
    from llamafactory.data.tool_utils import get_tool_utils
    from llamafactory.hparams import DataArguments

    made = export("llama-factory")
    (about,) = get_dataset_list(["handpicked"], str(made.folder))
    convert = get_dataset_converter(about.formatting, about, DataArguments())
    for row in made.rows:
        found = convert(row)
        turns = [{"role": SAID[turn["from"]], "content": turn["value"]} for turn in row["conversations"]]
        assert found["_prompt"] + found["_response"] == turns and len(found["_response"]) == 1
        assert found["_system"] == row["system"]
        if found["_tools"]:
            assert "Tool Name" in get_tool_utils("default").tool_formatter(json.loads(found["_tools"]))


def test_its_templates_write_the_calls(export):
    arguments()
    from llamafactory.data.formatter import FunctionFormatter

    turn = export("llama-factory").rows[2]["conversations"][-1]["value"]
    written = FunctionFormatter(slots=["{{content}}"], tool_format="qwen").apply(
        content=turn, thought_words=("<think>\n", "\n</think>\n\n")
    )
    assert written == [
        "<think>\nUse it.\n</think>\n\n"
        '<tool_call>\n{"name": "add", "arguments": {"x": 1, "y": 2}}\n</tool_call>'
    ]

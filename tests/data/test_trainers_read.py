"""What is written is what LLaMA-Factory and Axolotl read, by their own readers, where they are installed."""

from __future__ import annotations

import json

import pytest

from handpicked.data import read
from handpicked.tokens.tokenizer import EMBEDDED

TALKS = [
    [("user", "What is 2 + 2?"), ("assistant", "It is 4.")],
    [("system", "Be brief."), ("user", "Name a river."), ("assistant", "The Nile.")],
    [("user", "Hi"), ("assistant", "Hello!"), ("user", "Bye"), ("assistant", "See you – soon.")],
]
TURNS = [[{"role": role, "content": text} for role, text in talk] for talk in TALKS]


@pytest.fixture
def pool(tmp_path):
    file = tmp_path / "pool.jsonl"
    file.write_text("".join(json.dumps({"messages": turns}) + "\n" for turns in TURNS), encoding="utf-8")
    return read(file)


def written(pool, out, format):
    file = pool.write(range(len(TALKS)), out, format)
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


OPENAI = {
    "messages": "messages", "role_tag": "role", "content_tag": "content", "user_tag": "user",
    "assistant_tag": "assistant", "system_tag": "system",
}  # fmt: skip


@pytest.mark.parametrize(
    ("format", "formatting", "columns"),
    [
        ("alpaca", "alpaca", {"system": "system", "history": "history"}),
        ("sharegpt", "sharegpt", {"system_tag": "system"}),
        ("messages", "sharegpt", OPENAI),
    ],
)
def test_llama_factory_reads_the_same_turns(pool, tmp_path, format, formatting, columns):
    pytest.importorskip("llamafactory", reason="LLaMA-Factory is not installed")
    from llamafactory.data.converter import get_dataset_converter
    from llamafactory.data.parser import DatasetAttr
    from llamafactory.hparams import DataArguments

    about = DatasetAttr("file", "selected.jsonl", formatting=formatting, **columns)
    convert = get_dataset_converter(formatting, about, DataArguments())
    for row, turns in zip(written(pool, tmp_path, format), TURNS, strict=True):
        found = convert(row)
        system = [{"role": "system", "content": found["_system"]}] if found["_system"] else []
        assert system + found["_prompt"] + found["_response"] == turns


@pytest.fixture
def tokenizer():
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(EMBEDDED), eos_token="<|im_end|>", pad_token="<|im_end|>", bos_token="<|im_start|>"
    )
    tokenizer.chat_template = (
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    return tokenizer


@pytest.mark.parametrize(
    ("format", "about"),
    [
        ("alpaca", {"type": "alpaca_chat"}),
        ("messages", {"type": "chat_template", "field_messages": "messages"}),
        (
            "sharegpt",
            {
                "type": "chat_template",
                "field_messages": "conversations",
                "message_property_mappings": {"role": "from", "content": "value"},
                "roles": {"user": ["human"], "assistant": ["gpt"], "system": ["system"]},
            },
        ),
    ],
)
def test_axolotl_trains_on_the_same_responses(pool, tmp_path, tokenizer, format, about):
    pytest.importorskip("axolotl", reason="Axolotl is not installed")
    from axolotl.prompt_strategies import load
    from axolotl.utils.dict import DictDefault

    config = DictDefault(
        {"train_on_inputs": False, "sequence_len": 512, "chat_template": "tokenizer_default"}
    )
    strategy = load(about["type"], tokenizer, config, DictDefault(about))
    for row, talk in zip(written(pool, tmp_path, format), TALKS, strict=True):
        read_row = strategy.tokenize_prompt(row)
        pairs = zip(read_row["input_ids"], read_row["labels"], strict=True)
        trained = tokenizer.decode([token for token, label in pairs if label != -100])
        answers = [text for role, text in talk if role == "assistant"]
        assert all(text in trained for text in (answers[-1:] if format == "alpaca" else answers))
        assert not any(text in trained for role, text in talk if role == "user")

"""Tokens that were added to a tokenizer and not to its model: padding needs none, and a response must not end
in one.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from handpicked.config import ModelSettings
from handpicked.errors import Refused, TrainingError
from handpicked.models.load import embedding_rows, load_tokenizer
from handpicked.models.template import load_template, model_template
from handpicked.records import Message

pytest.importorskip("transformers", reason="needs the train extra")


@pytest.fixture
def extended(tiny_model: Path, tmp_path: Path):
    """The tiny model with one more token in its tokenizer, which ``change`` uses."""

    def make(change) -> ModelSettings:
        from transformers import AutoTokenizer

        folder = Path(shutil.copytree(tiny_model, tmp_path / "model"))
        tokenizer = AutoTokenizer.from_pretrained(folder)
        tokenizer.add_special_tokens({"additional_special_tokens": ["<|added|>"]})
        change(tokenizer)
        tokenizer.save_pretrained(folder)
        return ModelSettings(name=str(folder))

    return make


def test_a_padding_token_without_an_embedding_is_not_used(extended):
    settings = extended(lambda tokenizer: setattr(tokenizer, "pad_token", "<|added|>"))
    rows = embedding_rows(settings)
    tokenizer = load_tokenizer(settings)
    assert rows is not None and tokenizer.convert_tokens_to_ids("<|added|>") >= rows
    assert tokenizer.pad_token_id == tokenizer.eos_token_id < rows


def test_without_padding_and_end_tokens_the_first_token_pads(extended):
    def neither(tokenizer):
        tokenizer.pad_token = tokenizer.eos_token = None

    assert load_tokenizer(extended(neither)).pad_token_id == 0


def test_a_response_that_ends_in_a_token_without_an_embedding_is_refused_before_any_training(extended):
    end = "{% for m in messages %}{{ m['content'] }}<|added|>{% endfor %}"
    settings = extended(lambda tokenizer: setattr(tokenizer, "chat_template", end))
    with pytest.raises(TrainingError, match=r"<\|added\|> \(id \d+\).*no embedding.*Resize the embeddings"):
        model_template("auto", settings)
    assert model_template("plain", settings).end_id < (embedding_rows(settings) or 0)


def test_a_row_that_spells_out_such_a_token_is_refused_alone(extended):
    settings = extended(lambda _: None)
    template = model_template("plain", settings)
    sound = (Message("user", "ask"), Message("assistant", "say <|added|>"))
    assert template.encode(sound, [1]).learned > 1  # a response is ordinary text
    with pytest.raises(Refused, match=r"it writes the token <\|added\|> .* no embedding"):
        template.encode((Message("user", "ask <|added|>"), sound[1]), [1])
    assert load_template("plain", template.tokenizer).rows is None

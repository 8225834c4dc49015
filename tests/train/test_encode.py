"""What is cut is cut from the response, before its end-of-text, and counted."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handpicked.errors import TrainingError
from handpicked.models.head import IGNORED
from handpicked.models.template import Template, load_template
from handpicked.records import Example, Message
from handpicked.train import encode as encoding
from handpicked.train.encode import EncodedRows, response_turns

pytest.importorskip("transformers", reason="needs the train extra")


@pytest.fixture(scope="session")
def template(tiny_model: Path) -> Template:
    from transformers import AutoTokenizer

    return load_template("chatml", AutoTokenizer.from_pretrained(tiny_model))


def encode(examples, template, max_length) -> EncodedRows:
    """The rows in a folder of their own, which stay mapped when it is gone."""
    with tempfile.TemporaryDirectory() as folder:
        return encoding.encode(examples, template, max_length, Path(folder))


def learned_text(template: Template, encoded) -> str:
    return template.tokenizer.decode([label for label in encoded.labels if label != IGNORED])


def test_a_long_response_is_cut_and_its_end_stays(template, example):
    long, short = example(0, "Hi", "x" * 500), example(1, "Hi", "yes")
    encoded = encode([long, short], template, 100)
    assert (sum(encoded.cut), sum(encoded.end_readded), encoded.without_room) == (1, 1, 0)
    first, second = encoded.rows
    assert len(first.ids) == 100
    assert learned_text(template, first).strip("x") == "<|im_end|>"
    assert learned_text(template, second) == "yes<|im_end|>"


def test_a_prompt_without_room_for_a_response_is_left_out_and_counted(template, example):
    encoded = encode([example(0, "q" * 500, "a"), example(1, "Hi", "yes")], template, 100)
    assert (len(encoded.rows), encoded.without_room, list(encoded.cut)) == (1, 1, [False])
    with pytest.raises(TrainingError, match="Raise it"):
        encode([example(0, "q" * 500, "a")], template, 100)
    with pytest.raises(TrainingError, match="subset is empty"):
        encode([], template, 100)


def test_a_cut_in_a_later_prompt_keeps_the_earlier_response_whole(template, example):
    row = example(0, "a", "first", "q" * 400, "second", response="first\n\nsecond")
    (encoded,) = encode([row], template, 150).rows
    assert learned_text(template, encoded) == "first<|im_end|>"
    assert encoded.labels[-1] == template.end_id
    assert list(encode([row], template, 150).end_readded) == [False]


@settings(max_examples=60, deadline=None)
@given(
    prompt=st.text("ab ", max_size=80), response=st.text("xyz", max_size=200), max_length=st.integers(20, 250)
)
def test_every_kept_row_ends_learning_with_the_end_token(template, example, prompt, response, max_length):
    try:
        encoded = encode([example(0, prompt, response)], template, max_length)
    except TrainingError:
        return  # no room at all
    (row,) = encoded.rows
    assert len(row.ids) <= max_length
    text = learned_text(template, row)
    assert text.endswith("<|im_end|>")
    assert response.startswith(text.removesuffix("<|im_end|>"))
    assert encoded.cut[0] == (not text.startswith(response + "<"))


def test_the_turns_learned_are_those_of_the_response(example):
    assert response_turns(example(0, "a", "one", "b", "two")) == [3]
    assert response_turns(example(0, "a", "one", "b", "two", response="one\n\ntwo")) == [1, 3]
    nothing = Example(7, "", (Message("user", "hi"),), "hi", "", "pool.json", {})
    with pytest.raises(TrainingError, match=r"Row 7 \(pool.json\)"):
        response_turns(nothing)


def test_a_row_that_the_template_refuses_is_left_out_with_its_number_and_reason(template, example):
    from dataclasses import replace

    strict = replace(
        template,
        source="{% if messages[0]['role'] == 'system' %}{{ raise_exception('No system role') }}{% endif %}"
        + template.source,
    )
    good = example(0, "Hi", "yes")
    bad = replace(example(7, "Hi", "yes"), messages=(Message("system", "Be brief."), *good.messages))
    encoded = encode([good, bad], strict, 100)
    assert (len(encoded.rows), encoded.refused) == (1, ((7, "No system role"),))
    with pytest.raises(TrainingError, match=r"refuses 1 of them \(row 7: No system role\)"):
        encode([bad], strict, 100)


def test_earlier_turns_that_are_not_shown_as_inference_shows_them_are_counted(template, example):
    from dataclasses import replace

    source = (
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% if m['role'] == "
        "'assistant' and loop.last and "
        "'</think>' not in m['content'] %}<think>\n\n</think>\n\n{% endif %}{{ "
        "m['content'] }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    forgetful = replace(template, source=source)
    row = example(0, "a", "one", "b", "two", response="one\n\ntwo")
    encoded = encode([row, example(1, "a", "<think>\nx\n</think>one")], forgetful, 200)
    assert (encoded.unlearned, encoded.thoughts) == (1, 1)
    assert [learned_text(forgetful, one) for one in encoded.rows] == [
        "two<|im_end|>",
        "<think>\nx\n</think>one<|im_end|>",
    ]

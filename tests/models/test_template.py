"""The labelled span of every template decodes to the response and its end-of-text; training and generation agree."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handpicked.errors import ConfigError, TrainingError
from handpicked.models.head import IGNORED
from handpicked.models.template import SHIPPED, Encoded, Template, load_template
from handpicked.records import Message

pytest.importorskip("transformers", reason="needs the train extra")

CHAT = (
    Message("system", "Answer in French."),
    Message("user", "Hello?"),
    Message("assistant", "Bonjour!"),
    Message("user", "And\n\nbye?  "),
    Message("assistant", " Au revoir. "),
)
texts = st.text(st.characters(codec="utf-8"), max_size=40) | st.sampled_from(
    ["<|im_end|>", "a<|im_start|>b", "### Response:"]
)


@pytest.fixture(scope="session")
def byte_tokenizer(tiny_model: Path):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_model)


@pytest.fixture(scope="session")
def sentencepiece_tokenizer():
    """Of LLaMA-2's kind: a begin token before every text, a space before every word, bytes for unknown characters."""
    from tokenizers import Tokenizer, decoders, models, normalizers, processors
    from transformers import PreTrainedTokenizerFast

    vocab = [
        "<unk>",
        "<s>",
        "</s>",
        *(f"<0x{byte:02X}>" for byte in range(256)),
        "▁",
        *"abcdefghijklmnopqrstuvwxyz",
    ]
    tokenizer = Tokenizer(
        models.BPE(
            vocab={token: i for i, token in enumerate(vocab)},
            merges=[],
            unk_token="<unk>",
            byte_fallback=True,
        )
    )
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )


def spans(template: Template, encoded: Encoded) -> list[str]:
    """The labelled runs, decoded, each without its end token, which must be there."""
    assert len(encoded.ids) == len(encoded.labels)
    found, run = [], []
    for token, label in zip(encoded.ids, encoded.labels, strict=True):
        if label == IGNORED:
            assert not run, "a labelled run ended without an end token"
            continue
        assert label == token
        if token == template.end_id:
            found.append(
                template.tokenizer.decode(run, skip_special_tokens=False, clean_up_tokenization_spaces=False)
            )
            run = []
        else:
            run.append(token)
    assert not run
    return found


@pytest.mark.parametrize("name", ["auto", *SHIPPED])
def test_labelled_span_is_the_response(byte_tokenizer, name):
    template = load_template(name, byte_tokenizer)
    assert spans(template, template.encode(CHAT, [4])) == [" Au revoir. "]
    assert spans(template, template.encode(CHAT, [2, 4])) == ["Bonjour!", " Au revoir. "]


@pytest.mark.parametrize("name", ["alpaca", "plain", "vicuna"])
def test_labelled_span_is_the_response_with_sentencepiece(sentencepiece_tokenizer, name):
    template = load_template(name, sentencepiece_tokenizer)
    encoded = template.encode(CHAT, [2, 4])
    assert spans(template, encoded) == ["Bonjour!", " Au revoir. "]
    assert encoded.ids.count(sentencepiece_tokenizer.bos_token_id) == 1, "one begin-of-text, at the beginning"
    assert encoded.ids[0] == sentencepiece_tokenizer.bos_token_id


@pytest.mark.parametrize("name", ["auto", *SHIPPED])
@settings(max_examples=25, deadline=None)
@given(prompt=texts, response=texts)
def test_any_text_survives_and_ends_once(byte_tokenizer, name, prompt, response):
    template = load_template(name, byte_tokenizer)
    messages = (Message("user", prompt), Message("assistant", response))
    encoded = template.encode(messages, [1])
    assert spans(template, encoded) == [response]
    learned = [label for label in encoded.labels if label != IGNORED]
    assert learned.count(template.end_id) == 1, "a response that spells out the end token must not end early"


@pytest.mark.parametrize("name", ["auto", *SHIPPED])
def test_generation_continues_the_very_tokens_of_training(byte_tokenizer, name):
    template = load_template(name, byte_tokenizer)
    encoded = template.encode(CHAT, [4])
    learned = encoded.learned
    assert encoded.ids[:-learned] == template.encode_prompt(CHAT[:-1])


def test_generation_continues_the_very_tokens_of_training_with_sentencepiece(sentencepiece_tokenizer):
    for name in ("alpaca", "plain", "vicuna"):
        template = load_template(name, sentencepiece_tokenizer)
        encoded = template.encode(CHAT, [4])
        assert encoded.ids[: -encoded.learned] == template.encode_prompt(CHAT[:-1])


def test_auto_is_the_tokenizers_own_template(byte_tokenizer):
    template = load_template("auto", byte_tokenizer)
    turns = [{"role": "user", "content": "Hi"}]
    own = byte_tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)
    assert template.encode_prompt((Message("user", "Hi"),)) == own
    assert "Be kind." in byte_tokenizer.decode(own), "the template's default system prompt is kept"


def test_alpaca_is_stanfords_prompt(byte_tokenizer):
    ids = load_template("alpaca", byte_tokenizer).encode_prompt((Message("user", "Name a colour."),))
    assert byte_tokenizer.decode(ids) == (
        "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
        "### Instruction:\nName a colour.\n\n### Response:"
    )


def test_a_template_without_an_end_token_is_refused(byte_tokenizer, sentencepiece_tokenizer):
    with pytest.raises(TrainingError, match="never learn to stop"):
        load_template("chatml", sentencepiece_tokenizer)


def test_a_tokenizer_without_a_template_gets_alpacas_and_it_is_said(sentencepiece_tokenizer, caplog):
    assert sentencepiece_tokenizer.chat_template is None
    found = load_template("auto", sentencepiece_tokenizer)
    assert found == load_template("alpaca", sentencepiece_tokenizer) and found.name == "alpaca"
    assert "no chat template of its own: 'alpaca' is used" in caplog.text


def test_a_tokenizer_without_an_end_token_is_an_error_that_says_why_and_what_to_do(sentencepiece_tokenizer):
    from copy import deepcopy

    endless = deepcopy(sentencepiece_tokenizer)
    endless.eos_token = None
    for name in ("auto", "alpaca", "plain", "vicuna"):
        with pytest.raises(
            TrainingError, match=r"names no end-of-text token.*never learn to stop.*eos_token"
        ):
            load_template(name, endless)


def test_an_unknown_template_is_an_error_that_names_the_closest(sentencepiece_tokenizer):
    with pytest.raises(ConfigError, match="Did you mean 'alpaca'"):
        load_template("alpacca", sentencepiece_tokenizer)


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        (
            "{{ messages | length }}{% for m in messages %}{{ m['content'] }}<|im_end|>{% endfor %}",
            "rewrites earlier turns",
        ),
        (
            "{% for m in messages %}{{ m['content'] | upper }}<|im_end|>{% endfor %}",
            "changes the response's text",
        ),
        ("{{ raise_exception('no') }}", "refuses a conversation"),
    ],
)
def test_templates_that_would_do_silent_harm_are_refused(byte_tokenizer, source, complaint):
    template = Template("auto", byte_tokenizer, source, (), 2)
    with pytest.raises(TrainingError, match=complaint):
        template.encode((Message("user", "hi"), Message("assistant", "hello")), [1])

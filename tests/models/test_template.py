"""The labelled span of every template decodes to the response and its end-of-text;
training and generation agree.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from chat_templates import ALIKE, BEGUN_THOUGHT, CHANNEL, DATED, EMPTY_THOUGHT, MARKED_ANSWER, STRICT
from hypothesis import given, settings
from hypothesis import strategies as st

from handpicked.errors import ConfigError, Refused, TrainingError
from handpicked.models.head import IGNORED
from handpicked.models.template import Encoded, Template, load_template
from handpicked.models.template_source import SHIPPED
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
    """Of LLaMA-2's kind: a begin token before every text, a space before every word,
    bytes for unknown characters.
    """
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
        "Below is an instruction that describes a task. Write a response that "
        "appropriately completes the request.\n\n"
        "### Instruction:\nName a colour.\n\n### Response:"
    )


def test_a_template_without_an_end_token_is_refused(byte_tokenizer, sentencepiece_tokenizer):
    with pytest.raises(TrainingError, match="never learn to stop"):
        load_template("chatml", sentencepiece_tokenizer)


def test_a_tokenizer_without_a_template_gets_alpacas_and_it_is_reported(sentencepiece_tokenizer, caplog):
    assert sentencepiece_tokenizer.chat_template is None
    found = load_template("auto", sentencepiece_tokenizer)
    assert found == load_template("alpaca", sentencepiece_tokenizer) and found.name == "alpaca"
    assert "no chat template: 'alpaca' is used" in caplog.text


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


ASKED = (Message("user", "Name a metal."), Message("assistant", "Iron."))
TALK = (
    Message("user", "Name a metal."),
    Message("assistant", "<think>\nGold or iron?\n</think>\n\nIron."),
    Message("user", "And a wood?"),
    Message("assistant", "<think>\nOak.\n</think>\n\nOak."),
)


def like(tokenizer, source):
    """``tokenizer`` with another chat template, as ``load_template`` reads it."""
    from copy import deepcopy

    other = deepcopy(tokenizer)
    other.chat_template = source
    return load_template("auto", other)


def prompt_of(template, encoded):
    return template.tokenizer.decode(encoded.ids[: -encoded.learned])


@pytest.mark.parametrize("kind", ALIKE)
def test_a_response_follows_the_very_prompt_of_generation(byte_tokenizer, kind):
    template = like(byte_tokenizer, ALIKE[kind])
    encoded = template.encode(ASKED, [1])
    assert [text.strip() for text in spans(template, encoded)] == ["Iron."]
    assert encoded.ids[: -encoded.learned] == template.encode_prompt(ASKED[:-1])
    if kind != "dated":  # transformers writes the date of today
        own = template.tokenizer.apply_chat_template(
            [{"role": "user", "content": "Name a metal."}], add_generation_prompt=True, return_dict=False
        )
        assert encoded.ids[: len(own)] == own, "it begins with the template's own generation prompt"


def test_an_empty_thought_of_the_template_is_not_learned(byte_tokenizer):
    template = like(byte_tokenizer, EMPTY_THOUGHT)
    encoded = template.encode(ASKED, [1])
    assert prompt_of(template, encoded).endswith("assistant\n<think>\n\n</think>\n\n")
    assert spans(template, encoded) == ["Iron."]
    own = (ASKED[0], Message("assistant", "<think>\n\n</think>\n\nIron."))
    assert template.encode(own, [1]) == encoded, "an empty thought of the row is not a thought either"


@pytest.mark.parametrize("source", [EMPTY_THOUGHT, BEGUN_THOUGHT])
def test_a_thought_is_learned_after_the_prompt_that_asks_for_one(byte_tokenizer, source):
    template = like(byte_tokenizer, source)
    encoded = template.encode(TALK, [3])
    assert encoded.ids[: -encoded.learned] == template.encode_prompt(TALK[:-1], thought=True)
    text = template.tokenizer.decode(encoded.ids)
    assert "Gold or iron?" not in text, "earlier thoughts are dropped, as inference drops them"
    assert text.endswith("<|im_start|>assistant\n<think>\nOak.\n</think>\n\nOak.<|im_end|>")


def test_a_thought_that_only_the_generation_prompt_begins_is_ended_before_a_response_without_one(
    byte_tokenizer,
):
    template = like(byte_tokenizer, BEGUN_THOUGHT)
    encoded = template.encode(ASKED, [1])
    assert prompt_of(template, encoded).endswith("assistant\n<think>\n\n</think>\n\n")
    assert spans(template, encoded) == ["Iron."]


def test_an_earlier_turn_is_learned_only_where_it_is_as_inference_shows_it(byte_tokenizer):
    for source in (EMPTY_THOUGHT, BEGUN_THOUGHT, CHANNEL):
        template = like(byte_tokenizer, source)
        encoded = template.encode(TALK, [1, 3])
        assert (len(spans(template, encoded)), encoded.unlearned) == (1, 1)
        assert template.unlearned(TALK, [1, 3]) == 1
    plain = like(byte_tokenizer, STRICT).encode(TALK, [1, 3])
    assert plain.unlearned == 0 and plain.learned > encoded.learned


def test_the_end_that_closes_a_conversation_is_the_one_that_is_learned(byte_tokenizer):
    template = like(byte_tokenizer, CHANNEL)
    encoded = template.encode(ASKED, [1])
    assert encoded.labels[-1] == template.end_id == template.tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert prompt_of(template, encoded).endswith("<|im_start|>assistant final>")


def test_what_a_template_does_not_mark_as_generated_is_not_learned(byte_tokenizer):
    template = like(byte_tokenizer, MARKED_ANSWER)
    encoded = template.encode(TALK, [3])
    assert spans(template, encoded) == ["Oak."]
    assert prompt_of(template, encoded).endswith("<think>\nOak.\n</think>\n\n")
    unmarked = "{% generation %}{% endgeneration %}" + STRICT
    with pytest.raises(Refused, match="marks no part"):
        like(byte_tokenizer, unmarked).encode(ASKED, [1])


def test_the_date_in_a_template_is_the_same_every_day(byte_tokenizer):
    text = byte_tokenizer.decode(like(byte_tokenizer, DATED).encode_prompt(ASKED[:-1]))
    assert text.startswith("Today: 26 Jul 2024\n")


@pytest.mark.parametrize(
    ("roles", "reason"),
    [("system user assistant", "System role not supported"), ("user user assistant", "roles must alternate")],
)
def test_a_conversation_that_a_template_refuses_is_one_error_with_its_reason(byte_tokenizer, roles, reason):
    messages = [Message(role, "text") for role in roles.split()]
    with pytest.raises(Refused, match=reason) as refused:
        like(byte_tokenizer, STRICT).encode(messages, [2])
    assert reason in refused.value.reason


def test_of_several_templates_the_default_is_used_and_another_by_its_name(byte_tokenizer):
    from copy import deepcopy

    several = deepcopy(byte_tokenizer)
    several.chat_template = {"tool_use": STRICT, "default": EMPTY_THOUGHT}
    assert load_template("auto", several).source == EMPTY_THOUGHT
    assert load_template("tool_use", several).source == STRICT
    several.chat_template = {"rag": STRICT}
    assert load_template("auto", several).source == STRICT, "the only one"
    several.chat_template = {"rag": STRICT, "tool_use": STRICT}
    with pytest.raises(ConfigError, match="rag, tool_use and none named default"):
        load_template("auto", several)


def test_templates_in_files_beside_the_tokenizer_are_found(byte_tokenizer, tmp_path):
    from transformers import AutoTokenizer

    byte_tokenizer.save_pretrained(tmp_path)
    (tmp_path / "chat_template.jinja").write_text(EMPTY_THOUGHT)
    (tmp_path / "additional_chat_templates").mkdir()
    (tmp_path / "additional_chat_templates" / "tool_use.jinja").write_text(STRICT)
    found = AutoTokenizer.from_pretrained(tmp_path)
    assert load_template("auto", found).source == EMPTY_THOUGHT
    assert load_template("tool_use", found).source == STRICT


def test_alpacas_input_goes_where_stanford_puts_it(byte_tokenizer):
    template = load_template("alpaca", byte_tokenizer)
    row = Message("user", "Translate.\n\nGuten Tag", "Guten Tag")
    encoded = template.encode((row, Message("assistant", "Good day")), [1])
    assert prompt_of(template, encoded) == (
        "Below is an instruction that describes a task, paired with an input that provides "
        "further context. Write a response "
        "that appropriately completes the request.\n\n### Instruction:\nTranslate.\n\n### "
        "Input:\nGuten Tag\n\n### Response:"
    )
    assert encoded.ids[: -encoded.learned] == template.encode_prompt((row,))
    chat = load_template("chatml", byte_tokenizer)
    assert chat.encode_prompt((row,)) == chat.encode_prompt((Message("user", row.content),))


ENDS = (
    *("<|eot_id|>", "<|return|>", "<end_of_turn>", "<turn|>", "<|end|>", "<|END_OF_TURN_TOKEN|>"),
    *("<｜end▁of▁sentence｜>", "<end_of_utterance>"),
)


def test_published_templates_learn_the_response_alone_after_their_own_generation_prompt(byte_tokenizer):
    """Those of Qwen, Llama, Gemma, Phi, DeepSeek, gpt-oss and others that come with
    TRL, where it is installed.
    """
    trl = pytest.importorskip("trl", reason="needs the train extra")
    folder = Path(trl.__file__).parent / "chat_templates"
    sources = sorted(folder.glob("*.jinja"))
    if not sources:
        pytest.skip("this TRL brings no chat templates")
    from handpicked.models.sandbox import render_source

    tokens = {"bos_token": "<|s|>", "eos_token": "<|im_end|>", "pad_token": "<|im_end|>"}
    seen = 0
    for file in sources:
        template = Template(file.name, byte_tokenizer, file.read_text(encoding="utf-8"), (), 2)
        try:
            ended = template._render(ASKED, prompt=False).text
        except Refused:
            continue  # of a model that reads pictures: contents are lists
        if "Iron." not in ended:
            continue  # the same
        tail = ended[ended.rindex("Iron.") :]
        if "<|im_end|>" not in tail:
            end = next((end for end in ENDS if end in tail), None)
            if end is None:
                continue
            template = Template(file.name, byte_tokenizer, template.source.replace(end, "<|im_end|>"), (), 2)
        shown = template.show(ASKED)
        own = render_source(
            template.source,
            file.name,
            {**tokens, **byte_tokenizer.special_tokens_map}
            | {"messages": [{"role": "user", "content": "Name a metal."}], "add_generation_prompt": True},
        )
        assert shown.prompt.startswith(own.text), file.name
        assert shown.response.strip().startswith("Iron."), file.name
        assert shown.prompt == template.prompt(ASKED[:-1]), file.name
        seen += 1
    assert seen > 30

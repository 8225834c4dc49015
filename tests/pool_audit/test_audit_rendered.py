"""What a chat template refuses and a maximal length cuts, as training would."""

from __future__ import annotations

import dataclasses

import pytest
from made_pools import pair, two_files, write

import handpicked as hp
from handpicked.errors import ConfigError
from handpicked.models.light_tokenizer import LightTokenizer
from handpicked.models.template import load_template
from handpicked.models.template_source import SHIPPED
from handpicked.pool_audit.make import make_audit
from handpicked.pool_audit.plan import plan_audit
from handpicked.tokens.tokenizer import EMBEDDED
from handpicked.train.encode import encode


@pytest.fixture
def pool(tmp_path):
    rows = [pair(f"question {number}", "word " * number) for number in range(1, 60)]
    rows.append(pair("a very long question " * 30, "short"))
    return hp.read(write(tmp_path / "pool.jsonl", rows))


@pytest.mark.parametrize("name", SHIPPED)
def test_a_maximal_length_cuts_what_training_cuts(pool, name, tmp_path):
    found = hp.audit(pool, template=name, max_length=50).rendered
    trained = encode(
        list(pool.examples()), load_template(name, LightTokenizer(EMBEDDED)), 50, tmp_path / "rows"
    )
    assert (found.rows, found.of, found.refused) == (60, 60, 0)
    assert found.cut == sum(trained.cut) + trained.without_room
    assert found.no_response == trained.without_room == 1
    assert found.tokens - found.tokens_lost == sum(trained.rows.lengths) + 50 * trained.without_room
    assert found.lengths.total == found.tokens


def test_the_light_tokenizer_gives_the_tokens_that_transformers_gives(pool):
    transformers = pytest.importorskip("transformers", reason="needs the train extra")
    light = LightTokenizer(EMBEDDED)
    usual = transformers.PreTrainedTokenizerFast(tokenizer_file=str(EMBEDDED), eos_token=light.eos_token)
    special = "Say <|im_end|> and <|endoftext|>."
    for name in SHIPPED:
        one, other = load_template(name, light), load_template(name, usual)
        for example in [*pool.examples([0, 5, 59])]:
            odd = dataclasses.replace(example.messages[1], content=special)
            for messages in (example.messages, (example.messages[0], odd)):
                assert one.encode(messages, [1]) == other.encode(messages, [1])


def test_without_a_template_the_turns_are_counted_as_they_are(pool):
    found = hp.audit(pool, max_length=50).rendered
    assert (found.template, found.tokenizer) == ("plain", "SmolLM2-135M-Instruct")


def test_a_large_pool_is_looked_at_in_a_sample_that_is_reported(pool):
    plan = plan_audit(template="chatml", max_length=50)
    found = make_audit(pool, dataclasses.replace(plan, sample=10)).rendered
    again = make_audit(pool, dataclasses.replace(plan, sample=10)).rendered
    assert (found.rows, found.of) == (10, 60) and found == again


def refusing(source: str):
    light = LightTokenizer(EMBEDDED)
    light.chat_template = source
    return load_template("auto", light)


CHAT = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"


def test_rows_that_a_template_refuses_are_counted_by_reason(tmp_path):
    source = "{% if 'fox' in messages[0].content %}{{ raise_exception('no foxes') }}{% endif %}" + CHAT
    pool = hp.read(two_files(tmp_path))
    plan = dataclasses.replace(plan_audit(max_length=20), template=refusing(source))
    found = make_audit(pool, plan).rendered
    assert (found.rows, found.refused) == (7, 2)
    (reason,) = found.reasons
    assert "no foxes" in reason.reason and (reason.rows, reason.file, reason.place) == (
        2,
        "first.jsonl",
        "row 1",
    )
    assert found.lengths.rows == 5


def test_a_template_that_refuses_every_row(tmp_path):
    source = "{% if messages[0].content != 'question' %}{{ raise_exception('never') }}{% endif %}" + CHAT
    plan = dataclasses.replace(plan_audit(max_length=20), template=refusing(source))
    found = make_audit(hp.read(two_files(tmp_path)), plan).rendered
    assert found.refused == found.rows == 7 and found.lengths.rows == 0


def test_a_model_brings_its_own_template(pool, tiny_model):
    found = hp.audit(pool, model=str(tiny_model), max_length=200).rendered
    assert (found.template, found.tokenizer) == ("auto", str(tiny_model))
    named = hp.audit(pool, model=str(tiny_model), template="plain").rendered
    assert named.template == "plain" and named.max_length is None and named.cut is None
    assert named.tokens < found.tokens  # bytes either way, and auto adds a system prompt


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"template": "chatlm"}, "Did you mean 'chatml'"),
        ({"template": "auto"}, "--model NAME"),
        ({"max_length": 0}, "leaves no room"),
        ({"measure": "token"}, "Did you mean 'tokens'"),
        ({"guards": ["repetitions"]}, "Did you mean 'repetition'"),
        ({"template": "plain", "tokenizer": "missing.json"}, "no file missing.json"),
    ],
)
def test_mistakes_are_reported_before_anything_is_read(asked, says):
    with pytest.raises(ConfigError, match=says):
        plan_audit(**asked)

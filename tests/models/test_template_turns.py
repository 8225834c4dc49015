"""Thoughts, tool calls and tools in chat templates: given to the one that takes them, written as
text for one that does not.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from chat_templates import BEGUN_THOUGHT, EMPTY_THOUGHT

from handpicked.errors import Refused
from handpicked.models.head import IGNORED
from handpicked.models.rendering import Takes
from handpicked.models.template import Template, load_template
from handpicked.records import Message, ToolCall

pytest.importorskip("transformers", reason="needs the train extra")

TOOLS = (
    '[{"type": "function", "function": {"name": "weather", "description": "of a city", "parameters": {}}}]'
)
CALL = ToolCall("weather", '{"city": "Jéna"}', "c1")
ASK = Message("user", "q", tools=TOOLS)
THINKS = Message("assistant", "a", reasoning="t")
CALLS = Message("assistant", "", calls=(CALL,))
TAKES_ALL = (
    "{% if tools %}<|im_start|>system\n{% for tool in tools %}{{ tool | tojson }}{% "
    "endfor %}<|im_end|>\n{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['reasoning_content'] %}<think>\n{{ m['reasoning_content'] "
    "}}\n</think>\n\n{% endif %}{{ m['content'] }}"
    "{% for c in m['tool_calls'] or [] %}<tool_call>\n{{ {'name': c.function.name, 'arguments': "
    "c.function.arguments} | tojson }}\n"
    "</tool_call>{% endfor %}<|im_end|>\n{% endfor %}{% if add_generation_prompt "
    "%}<|im_start|>assistant\n{% endif %}"
)
"""Qwen's way: tools in the system turn, a thought and calls between tags."""
FORGETS_ARGUMENTS = TAKES_ALL.replace("c.function.arguments}", "c.function.arguments.place | default('')}")
"""It knows one argument by name, and loses the others."""


@pytest.fixture
def load(tiny_model: Path):
    from transformers import AutoTokenizer

    def loaded(source: str | None = None, name: str = "auto") -> Template:
        tokenizer = AutoTokenizer.from_pretrained(tiny_model)
        if source is not None:
            tokenizer.chat_template = source
        return load_template(name, tokenizer)

    return loaded


def learned(template, *messages):
    encoded = template.encode(messages, [len(messages) - 1])
    ids = [token for token, label in zip(encoded.ids, encoded.labels, strict=True) if label != IGNORED]
    return template.tokenizer.decode(ids)


def test_what_a_template_takes(load):
    assert load(TAKES_ALL).takes == Takes(reasoning=True, calls=True, tools=True)
    assert load(name="chatml").takes == Takes(reasoning=False, calls=False, tools=False)
    assert load(EMPTY_THOUGHT).takes.calls is False


def test_a_template_that_takes_them_shows_tools_and_learns_thought_and_calls(load):
    template = load(TAKES_ALL)
    assert learned(template, ASK, THINKS) == "<think>\nt\n</think>\n\na<|im_end|>"
    call = '<tool_call>\n{"name": "weather", "arguments": {"city": "Jéna"}}\n</tool_call>'
    assert learned(template, ASK, CALLS) == f"{call}<|im_end|>"
    shown = template.show((ASK, CALLS, Message("tool", "12"), THINKS))
    assert "of a city" in shown.prompt and call in shown.prompt and "<|im_start|>tool\n12" in shown.prompt
    assert not template.unshown_tools((ASK, CALLS)) and not template.writes_as_text((ASK, CALLS))


@pytest.mark.parametrize("name", ["chatml", "alpaca", "vicuna", "plain"])
def test_a_template_without_a_form_for_them_learns_them_as_text(load, name):
    template = load(name=name)
    assert learned(template, ASK, THINKS).startswith("<think>\nt\n</think>\n\na")
    assert learned(template, ASK, CALLS).startswith('{"name": "weather", "arguments": {"city": "Jéna"}}')
    assert '"city": "Jéna"' in template.prompt((ASK, CALLS, Message("user", "and?")))
    assert template.unshown_tools((ASK, CALLS)) and template.writes_as_text((ASK, CALLS))
    assert not template.unshown_tools((Message("user", "q"),)) and not template.writes_as_text((ASK,))


@pytest.mark.parametrize("source", [EMPTY_THOUGHT, BEGUN_THOUGHT, TAKES_ALL])
def test_a_thought_beside_the_content_is_learned_as_one_inside_it(load, source):
    template = load(source)
    inside = Message("assistant", "<think>\nt\n</think>\n\na")
    asked = Message("user", "q")
    assert learned(template, asked, THINKS) == learned(template, asked, inside)


def test_a_template_that_drops_arguments_is_refused(load):
    with pytest.raises(Refused, match="arguments of a tool call"):
        load(FORGETS_ARGUMENTS).encode((ASK, CALLS), [1])

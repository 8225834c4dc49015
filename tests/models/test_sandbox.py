"""A template is a stranger's program: it renders as transformers renders it, on
one day, and within bounds.
"""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

import pytest
from chat_templates import ALIKE
from jinja2 import TemplateError

from handpicked.errors import Refused, TrainingError
from handpicked.models.sandbox import TODAY, Endless, dated, render_source

TALKS = (
    [{"role": "user", "content": "Hi <b>"}, {"role": "assistant", "content": 'Hello, "x"'}],
    [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "<think>\nWhy?\n</think>\n\nHello"},
        {"role": "user", "content": "And?"},
        {"role": "assistant", "content": "<think>\nSo.\n</think>\n\nBye"},
    ],
)


def published() -> list[str]:
    """The templates that come with TRL, where it is installed."""
    try:
        import trl
    except ImportError:
        return []
    return [file.read_text() for file in sorted(Path(trl.__file__).parent.glob("chat_templates/*.jinja"))]


@pytest.mark.parametrize("prompt", [True, False])
def test_a_template_renders_as_transformers_renders_it(monkeypatch, prompt):
    theirs = pytest.importorskip("transformers.utils.chat_template_utils", reason="needs the train extra")

    class Fixed(datetime):
        @classmethod
        def now(cls, tz=None):
            return TODAY

    monkeypatch.setattr(theirs, "datetime", Fixed)
    variables = {"bos_token": "<s>", "eos_token": "</s>", "add_generation_prompt": prompt}
    for source in (*ALIKE.values(), *published()):
        for talk in TALKS:
            try:
                texts, marked = theirs.render_jinja_template(
                    [talk],
                    chat_template=source,
                    return_assistant_tokens_mask="endgeneration" in source,
                    **variables,
                )
            except (TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
                with pytest.raises(Refused):
                    render_source(source, "it", {**variables, "messages": talk})
                continue
            ours = render_source(
                source, "it", {**variables, "messages": talk, "tools": None, "documents": None}
            )
            assert ours.text == texts[0]
            assert list(ours.marked) == (marked[0] if marked else [])


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{{ 'a' * 10 ** 10 }}",
        "{{ 9 ** 9 ** 9 }}",
        "{% set ns = namespace(s='ab') %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
        "{% set ns = namespace(s='ab') %}{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
        "{% for i in range(99999) %}{{ 'a' * 9999 }}{% endfor %}",
        "{{ 'a' | center(10000000000) }}",
        "{{ 'a'.ljust(10000000000) }}",
        "{% for i in range(100000000) %}{% endfor %}",
    ],
)
def test_a_template_that_would_not_end_is_refused_soon_and_in_one_line(source):
    started = time.process_time()
    with pytest.raises(Endless, match="'wild'") as refused:
        render_source(source, "wild", {"messages": []})
    assert time.process_time() - started < 10
    assert "\n" not in str(refused.value)


def test_what_is_no_template_is_an_error_with_its_line():
    with pytest.raises(TrainingError, match=r"'broken' is not valid Jinja \(line 2"):
        render_source("{{ messages }}\n{% if %}", "broken", {"messages": []})


@pytest.mark.parametrize(
    "source",
    [
        "{{ messages.__class__.__mro__ }}",
        "{{ namespace(__class__=1) }}",
        "{{ messages.append(1) }}",
        "{{ messages[3]['content'] + 'a' }}",
        "{{ 1 / 0 }}",
    ],
)
def test_what_a_template_must_not_or_cannot_do_refuses_the_conversation(source):
    with pytest.raises(Refused):
        render_source(source, "it", {"messages": []})


def test_a_hundred_turns_are_far_within_the_bounds():
    talk = [{"role": ("user", "assistant")[i % 2], "content": "word " * 500} for i in range(100)]
    for source in ALIKE.values():
        assert (
            len(render_source(source, "it", {"messages": talk, "add_generation_prompt": False}).text)
            > 200_000
        )


def test_the_day_can_be_written_into_a_template_for_another_renderer():
    source = "{{ strftime_now('%d %b %Y') }} {{ strftime_now( \"%Y-%m-%d\" ) }} {{ bos_token }}"
    assert render_source(dated(source), "it", {"bos_token": "<s>"}).text == "26 Jul 2024 2024-07-26 <s>"
    assert "strftime_now" not in dated(source)

"""Renders chat templates in Jinja's sandbox, with limits on time and size.

The environment is that of transformers' ``apply_chat_template`` (white space rules, ``tojson``,
``raise_exception``, ``{% generation %}``, loop controls) with two differences. ``strftime_now`` gives the
same day every time, so that a template that writes the date (Llama 3, SmolLM3, gpt-oss) gives the same tokens
tomorrow. And the steps of loops and macros, the length of texts and the numbers given to methods and filters
are bounded, so that no template runs for ever or fills the memory.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from jinja2 import Template, TemplateError, TemplateSyntaxError, nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

from handpicked.errors import Refused, TrainingError

TODAY = datetime(2024, 7, 26)
"""The day that every template is shown: the one that Llama 3's own template falls back to."""
STEPS = 300_000
"""Steps of loops and calls of macros in one rendering, at most. A conversation of 1,000
turns needs some thousands.
"""
SIZE = 20_000_000
"""Characters of any one text, and the largest number that a method or filter is given, at most."""
FAULTS = (
    *(TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError),
    *(RecursionError, MemoryError),
)
"""The errors of a template that does not fit a conversation."""


_ASKS_DATE = re.compile(r"""strftime_now\(\s*(["'])(.*?)\1\s*\)""")


def dated(source: str) -> str:
    """``source`` with ``TODAY`` written into it, for a renderer that would read the clock."""
    return _ASKS_DATE.sub(lambda found: repr(TODAY.strftime(found[2])), source)


class Endless(TrainingError):
    """A template exceeded the bounds of a rendering."""


@dataclass(frozen=True)
class Rendering:
    """A rendered conversation, and the spans (start, end) of ``text`` that the template marks as generated."""

    text: str
    marked: tuple[tuple[int, int], ...] = ()


@dataclass
class _Run:
    """What one rendering has done so far."""

    steps: int = 0
    length: int = 0
    marked: list[tuple[int, int]] = field(default_factory=list)


_RUN: ContextVar[_Run] = ContextVar("rendering")


def render_source(source: str, name: str, variables: Mapping[str, object]) -> Rendering:
    """The text that the template ``source`` makes of ``variables``; ``name`` is for messages.

    Raises Refused where the template raises an error, Endless where it exceeds a bound, and
    TrainingError where it is not a template.
    """
    template = _compiled(source, name)
    run = _Run()
    token = _RUN.set(run)
    parts = []
    try:
        for part in template.generate(**variables):
            parts.append(part)
            run.length += len(_bounded(part))
            if run.length > SIZE:
                raise _Unbounded(f"writes more than {SIZE:,} characters")
    except (_Unbounded, OverflowError, RecursionError, MemoryError) as error:
        raise Endless(
            f"The chat template '{name}' {error or 'needs more memory than there is'}: it "
            "may never end, so it is refused. "
            "Set train.template to chatml, alpaca, vicuna or plain."
        ) from None
    except FAULTS as error:
        raise Refused(name, str(error) or type(error).__name__) from error
    finally:
        _RUN.reset(token)
    return Rendering("".join(parts), tuple(run.marked))


class _Unbounded(Exception):
    """A bound is exceeded. Not among ``FAULTS``, and no template can catch it."""


@functools.lru_cache(maxsize=64)
def _compiled(source: str, name: str) -> Template:
    try:
        return _environment().from_string(_stepped(_environment().parse(source)))
    except TemplateSyntaxError as error:
        raise TrainingError(
            f"The chat template '{name}' is not valid Jinja (line {error.lineno}: "
            f"{error.message}). Correct it, or set "
            "train.template to chatml, alpaca, vicuna or plain."
        ) from error
    except RecursionError:
        raise Endless(
            f"The chat template '{name}' is nested too deep to be read, so it is refused."
        ) from None


def _stepped(tree: nodes.Template) -> nodes.Template:
    """The template with a step counted in every loop and macro, and with ``~`` as ``+`` of
    texts, whose length is checked.
    """
    repeated: list[nodes.For | nodes.Macro | nodes.CallBlock] = [*tree.find_all(nodes.For)]
    repeated += [*tree.find_all(nodes.Macro), *tree.find_all(nodes.CallBlock)]
    for block in repeated:
        count = nodes.Call(nodes.EnvironmentAttribute("step"), [], [], None, None)
        block.body.insert(0, nodes.ExprStmt(count).set_lineno(block.lineno))
    _without_concat(tree)
    tree.set_environment(_environment())
    return tree


def _without_concat(node: nodes.Node) -> None:
    for name, value in node.iter_fields():
        if isinstance(value, list):
            setattr(node, name, [_plain(one) for one in value])
        else:
            setattr(node, name, _plain(value))


def _plain(value: object) -> Any:
    if not isinstance(value, nodes.Node):
        return value
    _without_concat(value)
    if not isinstance(value, nodes.Concat):
        return value
    first, *others = (
        nodes.Filter(one, "string", [], [], None, None, lineno=one.lineno) for one in value.nodes
    )
    joined: nodes.Expr = first
    for text in others:
        joined = nodes.Add(joined, text, lineno=value.lineno)
    return joined


class _Sandbox(ImmutableSandboxedEnvironment):
    """transformers' environment, with ``step`` and bounds."""

    intercepted_binops = frozenset({"+", "*", "**"})

    @staticmethod
    def step() -> None:
        """Count a step of a loop or a call of a macro."""
        run = _RUN.get()
        run.steps += 1
        if run.steps > STEPS:
            raise _Unbounded(f"takes more than {STEPS:,} steps")

    def call_binop(self, context: Context, operator: str, left: object, right: object) -> object:
        """The operation, where its result is bounded."""
        if operator == "**" and not (_small(left) and _small(right)):
            raise _Unbounded("computes a large power")
        if operator == "*":
            _check_product(left, right)
        return _bounded(super().call_binop(context, operator, left, right))

    def call(self, context: Context, obj: object, /, *args: Any, **kwargs: object) -> Any:
        """The call, where its numbers and its result are bounded."""
        _check_numbers((*args, *kwargs.values()))
        return _bounded(super().call(context, obj, *args, **kwargs))


def _small(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) <= 1000


def _check_product(left: Any, right: Any) -> None:
    sizes = [len(one) if isinstance(one, str | list | tuple) else one for one in (left, right)]
    if all(isinstance(one, int) for one in sizes) and abs(sizes[0] * sizes[1]) > SIZE:
        raise _Unbounded(f"makes a text or a number beyond {SIZE:,}")


def _check_numbers(values: Sequence[object]) -> None:
    if any(isinstance(value, int) and abs(value) > SIZE for value in values):
        raise _Unbounded(f"uses a number beyond {SIZE:,}")


def _bounded(value: object) -> Any:
    if isinstance(value, str | list | tuple) and len(value) > SIZE:
        raise _Unbounded(f"makes a text or a list beyond {SIZE:,}")
    return value


def _bounded_filter(function: Callable[..., object]) -> Callable[..., object]:
    @functools.wraps(function)
    def bounded(*args: Any, **kwargs: object) -> object:
        _check_numbers((*args[1:], *kwargs.values()))
        return _bounded(function(*args, **kwargs))

    return bounded


class _Generation(Extension):
    """``{% generation %}`` ... ``{% endgeneration %}``: what a template marks as written by the assistant."""

    tags = {"generation"}  # noqa: RUF012  (Jinja's own declaration)

    def parse(self, parser: Parser) -> nodes.Node:
        """The block, as a call that writes down its place."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("_mark"), [], [], body).set_lineno(line)

    def _mark(self, caller: Callable[[], str]) -> str:
        text = caller()
        run = _RUN.get()
        run.marked.append((run.length, run.length + len(text)))
        return text


class _Namespace(Namespace):
    """Jinja's, without names that lead into Python's own objects."""

    def __init__(*args: Any, **kwargs: object) -> None:
        self, rest = args[0], args[1:]
        for key in dict(*rest, **kwargs):
            _check_name(key)
        Namespace.__init__(self, *rest, **kwargs)

    def __setitem__(self, key: str, value: object) -> None:
        _check_name(key)
        super().__setitem__(key, value)


def _check_name(key: object) -> None:
    if isinstance(key, str) and key.startswith("_"):
        raise SecurityError(f"a name in a namespace must not begin with an underscore, as {key!r} does")


def _raise_exception(message: str) -> None:
    raise TemplateError(message)


def _to_json(
    value: object,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Without Jinja's escaping for HTML, as transformers has it."""
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _new_dict(*args: Any, **kwargs: object) -> dict[object, object]:
    return dict(*args, **kwargs)


@functools.lru_cache(maxsize=1)
def _environment() -> _Sandbox:
    made = _Sandbox(trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, "jinja2.ext.loopcontrols"])
    made.filters["tojson"] = _to_json
    made.filters = {name: _bounded_filter(function) for name, function in made.filters.items()}
    made.globals |= {
        "raise_exception": _raise_exception,
        "strftime_now": TODAY.strftime,
        "dict": _new_dict,
        "namespace": _Namespace,
    }
    return made

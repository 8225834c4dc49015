"""Renders every chat template on the real rows and prompts before a run, and reports what is refused."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from handpicked.data.stdlib import NAME
from handpicked.errors import MissingPart, Refused
from handpicked.experiment.job import read_pool, read_test_set
from handpicked.experiment.lineup import Lineup
from handpicked.models.encode import response_turns
from handpicked.models.template import THOUGHT_END, model_template
from handpicked.records import Prompt

if TYPE_CHECKING:
    from handpicked.models.template import Template

ROWS = 200_000
"""Rows of a pool that are rendered, at most: some 15 seconds a template. The number
is stated with the result.
"""
NAMED = 5
"""Refused rows that are named with their reason."""


@dataclass(frozen=True)
class Rendered:
    """What the chat template ``template`` of ``model`` makes of ``of``, a pool or a test set.

    ``checked`` rows were rendered, of ``total`` (None: all there are). ``refused`` counts those that the
    template refuses, which are left out; ``first`` names the first of them with the reason. ``unlearned``
    counts earlier turns that would not be learned, because the template shows them otherwise than inference
    does; ``thoughts`` the rows whose response holds a thought. ``written`` counts rows whose thoughts or tool
    calls the template has no form for, so that they are learned as text of the response, and ``tools`` those
    that declare tools which it does not show: they are lost.
    """

    template: str
    model: str
    of: str
    checked: int
    total: int | None
    refused: int
    first: tuple[str, ...] = ()
    unlearned: int = 0
    thoughts: int = 0
    written: int = 0
    tools: int = 0

    @property
    def sentence(self) -> str:
        """For reading."""
        part = "" if self.total is None else f" (the first of {self.total:,})"
        said = f"{self.template} of {self.model} on {self.of}: {self.checked:,} rendered{part}, {self.refused:,} refused"
        if self.refused:
            more = ", ..." if self.refused > len(self.first) else ""
            said += f" and left out ({'; '.join(self.first)}{more})"
        if self.unlearned:
            said += f"; {self.unlearned:,} earlier turns are not learned, because it shows them differently from inference"
        if self.written:
            said += (
                f"; {self.written:,} rows have thoughts or tool calls that it has no form for: they "
                "are learned as text, thoughts "
                "between <think> and </think>, calls as JSON"
            )
        if self.tools:
            said += f"; {self.tools:,} rows declare tools that it does not show: a model is trained to call what it never saw"
        return said


def templates(lineup: Lineup, absent: Collection[str] = ()) -> dict[tuple[str, str], Template]:
    """The chat template of every arm, by the name of its base model and the template's own.

    A model that is missing on this machine has none; ``absent`` names those that are known to be. Raises
    ConfigError and TrainingError for a template that cannot be used.
    """
    found: dict[tuple[str, str], Template] = {}
    missing = set(absent)
    for member in lineup.experiment.arms:
        model, name = lineup.model(member), lineup.train(member).template
        if (model.name, name) not in found and model.name not in missing:
            try:
                found[model.name, name] = model_template(name, model)
            except (MissingPart, ImportError):
                missing.add(model.name)  # missing_parts names it
    return found


def rendered(lineup: Lineup, absent: Collection[str] = ()) -> tuple[Rendered, ...]:
    """Every template on the rows that its arms may train on, and on the prompts that they answer.

    Raises what ``templates`` raises, and Endless for a template that exceeds its bounds on a row.
    """
    known = templates(lineup, absent)
    pools: dict[tuple[str, str, str | None], None] = {}
    for member, arm in lineup.experiment.arms.items():
        key = (lineup.model(member).name, lineup.train(member).template)
        if arm.by != "none" and key in known:
            pools[key[0], key[1], arm.pool] = None
    found = [
        _on_pool(known[model, name], model, lineup, pool)
        for model, name, pool in pools
        if lineup.pool(pool).path != NAME
    ]
    for of, prompts in _test_sets(lineup):
        found += [_on_prompts(template, model, of, prompts) for (model, _), template in known.items()]
    return tuple(found)


def refusals(prompts: Iterable[Prompt], template: Template) -> Iterator[tuple[Prompt, str]]:
    """The prompts that the template refuses, each with the reason."""
    for prompt in prompts:
        try:
            template.prompt(prompt.messages)
        except Refused as error:
            yield prompt, error.reason


def _on_pool(template: Template, model: str, lineup: Lineup, pool: str | None) -> Rendered:
    settings = lineup.pool(pool)
    of = settings.path if isinstance(settings.path, str) else " and ".join(settings.path)
    opened = read_pool(settings)
    checked = refused = unlearned = thoughts = written = tools = 0
    first: list[str] = []
    for example in islice(opened.examples(), ROWS):
        checked += 1
        thoughts += THOUGHT_END in example.response
        written += template.writes_as_text(example.messages)
        tools += template.unshown_tools(example.messages)
        try:
            unlearned += template.unlearned(example.messages, response_turns(example))
        except Refused as error:
            refused += 1
            first += [f"row {example.row}: {error.reason}"] if len(first) < NAMED else []
    total = opened.rows if checked == ROWS else None
    return Rendered(
        template.name, model, of, checked, total, refused, tuple(first), unlearned, thoughts, written, tools
    )


def _on_prompts(template: Template, model: str, of: str, prompts: Sequence[Prompt]) -> Rendered:
    refused = list(refusals(prompts, template))
    first = tuple(f"prompt {prompt.prompt_id}: {reason}" for prompt, reason in refused[:NAMED])
    return Rendered(template.name, model, f"test set {of}", len(prompts), None, len(refused), first)


def _test_sets(lineup: Lineup) -> Iterator[tuple[str, list[Prompt]]]:
    """The test sets that are in files. A held-out part is of a pool, whose rows are
    rendered with their prompts.
    """
    for settings in lineup.experiment.evaluate.prompts:
        if settings.path is not None:
            yield settings.name, read_test_set(settings)

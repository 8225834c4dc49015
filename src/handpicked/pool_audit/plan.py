"""The plan of an audit: what it looks at, checked before the pool is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from handpicked.config import ModelSettings
from handpicked.data import paths
from handpicked.errors import ConfigError, did_you_mean
from handpicked.guards.guard import Guard
from handpicked.models.light_tokenizer import LightTokenizer
from handpicked.models.template import Template, load_template, model_template
from handpicked.models.template_source import SHIPPED
from handpicked.pool_audit.guards import plan_audited
from handpicked.pool_audit.record import NotAudited
from handpicked.scorers.scorer import Scorer
from handpicked.selection.methods import measure as measured
from handpicked.selection.methods import measures
from handpicked.tokens.tokenizer import EMBEDDED, EMBEDDED_NAME, tokenizer_file

SAMPLE = 20_000
"""Rows that a chat template is tried on, at most: some 15 seconds."""
MOST_REFERENCES = 60
"""Files that a pool is compared with, at most; a folder or a glob counts as one."""


@dataclass(frozen=True)
class AuditPlan:
    """What an audit looks at. Made by ``plan_audit``.

    ``tokenizer`` names what ``template`` counts with; ``sample`` bounds the rows that it is tried on (None:
    all of them).
    """

    measure: Scorer
    guards: tuple[Guard, ...]
    not_audited: tuple[NotAudited, ...]
    against: tuple[str, ...]
    template: Template | None
    tokenizer: str
    max_length: int | None
    sample: int | None = SAMPLE


def plan_audit(
    *,
    against: Sequence[str] = (),
    measure: str = "tokens",
    tokenizer: str | None = None,
    template: str | None = None,
    model: str | None = None,
    max_length: int | None = None,
    guards: Sequence[str] = (),
) -> AuditPlan:
    """The plan of an audit, checked before a pool is read; ``audit`` documents the parameters.

    Raises:
        ConfigError: an unknown measure, guard, template or model, or a length that holds no token.
        PoolError: there is no such file to compare with. MissingPart: something requested needs an extra.
    """
    if measure not in measures():
        raise ConfigError(f"--measure: there is no measure {measure!r}.{did_you_mean(measure, measures())}")
    if max_length is not None and max_length < 1:
        raise ConfigError(f"--max-length: {max_length} leaves no room for a token. Give 1 or more.")
    if len(against) > MOST_REFERENCES:
        raise ConfigError(
            f"--against: {len(against)} files are given, and at most {MOST_REFERENCES} can be compared. "
            "Give their folder, or a pattern in quotes, which counts as one."
        )
    for name in against:
        paths.files([name])
    planned, lacking = plan_audited(guards, against, tokenizer)
    counted = measured(measure, tokenizer)
    rendering = template is not None or model is not None or max_length is not None
    made, by = _template(template, model, tokenizer) if rendering else (None, "")
    return AuditPlan(counted, planned, lacking, tuple(against), made, by, max_length)


def _template(template: str | None, model: str | None, tokenizer: str | None) -> tuple[Template, str]:
    """The chat template, and the name of what it counts with. With a model it is that model's own (``auto``)
    unless one is named; without one it is ``plain``, counted by a tokenizer.json.
    """
    if model is not None:
        return model_template(template or "auto", ModelSettings(name=model)), model
    name = template or "plain"
    if name not in SHIPPED:
        raise ConfigError(
            f"--template: '{name}' is none of the shipped templates "
            f"({', '.join(SHIPPED)}), and a template of "
            f"a model needs that model: --model NAME.{did_you_mean(name, [*SHIPPED, 'auto'])}"
        )
    file = EMBEDDED if tokenizer is None else tokenizer_file(tokenizer)
    light: object = LightTokenizer(file)
    return load_template(name, light), EMBEDDED_NAME if tokenizer is None else tokenizer

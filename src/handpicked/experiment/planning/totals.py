"""How long an experiment takes in all and what it costs, part by part, each with what is assumed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from handpicked.config import PoolSettings, ReferenceSettings
from handpicked.endpoint.cost import REPLY_SECONDS
from handpicked.experiment.lineup import Lineup
from handpicked.experiment.planning import speeds
from handpicked.experiment.planning.planned_arm import Costs, PlannedArm
from handpicked.experiment.planning.speeds import Hardware
from handpicked.experiment.references import references
from handpicked.records import Json, Prompt
from handpicked.scorers.forecast import Forecast
from handpicked.workers.machine import Machine

if TYPE_CHECKING:
    from handpicked.experiment.run import Until

TEMPLATE_TOKENS = 30
"""Tokens that a chat template adds to a prompt."""
TOKENS_A_WORD = 1.6
"""In text with code."""
LETTERS_A_TOKEN = 4


@dataclass(frozen=True)
class Part:
    """One part of the work over all arms. ``hours`` and ``usd`` are None where unknown; ``usd`` is 0 where it
    is free.
    """

    name: str
    hours: float | None
    usd: float | None
    assumed: str


@dataclass(frozen=True)
class Texts:
    """Evaluation prompts: how many, and tokens of all prompts with their templates and of all references."""

    prompts: int = 0
    prompt_tokens: float = 0.0
    reference_tokens: float = 0.0

    def __add__(self, other: Texts) -> Texts:
        return Texts(
            self.prompts + other.prompts,
            self.prompt_tokens + other.prompt_tokens,
            self.reference_tokens + other.reference_tokens,
        )

    def of(self, prompts: int) -> Texts:
        """The same prompts scaled to another number."""
        share = prompts / self.prompts if self.prompts else 0.0
        return Texts(prompts, share * self.prompt_tokens, share * self.reference_tokens)


def texts_of(prompts: Sequence[Prompt], known: ReferenceSettings | None) -> Texts:
    """Prompts of a file, with their references from there or from the file of ``known``."""
    given = {} if known is None else references(known)
    good = [prompt.reference or given.get(prompt.prompt_id) or "" for prompt in prompts]
    tokens = sum(len(prompt.text) for prompt in prompts) / LETTERS_A_TOKEN
    return Texts(len(prompts), tokens + TEMPLATE_TOKENS * len(prompts), sum(map(len, good)) / LETTERS_A_TOKEN)


def held_out_texts(settings: PoolSettings, costs: Costs) -> Texts:
    """Prompts that are held out of a pool whose rows have ``costs``."""
    if not costs:
        return Texts()
    response, prompt = (sum(column) / len(costs) for column in zip(*costs, strict=True))
    if settings.hold_out_max_words is not None:
        response = min(response, TOKENS_A_WORD * settings.hold_out_max_words)
    return Texts(1, prompt + TEMPLATE_TOKENS, response)


@dataclass(frozen=True)
class Sizes:
    """What the estimates are computed from: the weights of every arm's model (None: unknown), the prompts, and
    the hardware.
    """

    weights: Mapping[str, int | None]
    texts: Texts
    hardware: Hardware


def parts(
    expanded: Lineup,
    arms: Sequence[PlannedArm],
    evaluation: Json,
    refined: Sequence[Json],
    scoring: Sequence[Forecast],
    sizes: Sizes,
    until: Until,
) -> tuple[Part, ...]:
    """The parts of the work up to a stage, in the order in which it is done. ``scoring`` are the scores that
    arms are selected by, each once.
    """
    found = [_scoring(scoring, sizes.hardware.machine)] if scoring else []
    if refined:
        found.append(_refining(refined))
    if until == "select":
        return tuple(found)
    if trained := [arm for arm in arms if arm.learning_rate is not None]:
        found.append(_training(trained, sizes))
    if until == "train":
        return tuple(found)
    if until != "bench":
        if expanded.experiment.evaluate.reference_loss:
            found.append(_losses(sizes))
        found.append(_answers(expanded, sizes))
        if until != "generate":
            found += _judging(expanded, evaluation, sizes)
    if evaluation["benchmarks"] and until in ("bench", "report"):
        hours = [one["hours"] for one in evaluation["benchmarks"]]
        found.append(Part("benchmarks", _sum(hours), 0.0, "one forward pass over every request"))
    if until == "report":
        found.append(Part("report", speeds.REPORT_SECONDS / 3600, 0.0, "audit of the subsets, charts"))
    return tuple(found)


def _scoring(forecasts: Sequence[Forecast], machine: Machine) -> Part:
    seconds = [_spent(forecast, machine) for forecast in forecasts]
    said = "no score is there yet" + ("" if machine.assumed else "; speed as measured here")
    return Part("scoring", _hours(seconds), _sum([forecast.usd for forecast in forecasts]), said)


def _spent(forecast: Forecast, machine: Machine) -> float | None:
    """Seconds of a scoring; None where they were measured on another machine."""
    if forecast.endpoint or forecast.seconds is None:
        return forecast.seconds
    return None if machine.assumed else forecast.seconds / len(machine.devices)


def _refining(refined: Sequence[Json]) -> Part:
    calls = sum(part["calls"] for part in refined)
    usd = _sum([part["at_most_usd"] for part in refined])
    said = f"{calls:,} calls of {REPLY_SECONDS:g} s, 16 at a time; replies of max_tokens"
    return Part("rewriting", calls * REPLY_SECONDS / 16 / 3600, usd, said)


def _training(arms: Sequence[PlannedArm], sizes: Sizes) -> Part:
    loading = _of_each(sizes, lambda weights: speeds.load_seconds(weights, sizes.hardware.speed) / 3600)
    hours = _sum([*(arm.hours for arm in arms), *loading[: len(arms)]])
    return Part("training", hours, 0.0, "the operations a second below")


def _losses(sizes: Sizes) -> Part:
    texts, speed = sizes.texts, sizes.hardware.speed
    tokens = texts.prompt_tokens + texts.reference_tokens
    seconds = _of_each(
        sizes,
        lambda weights: speeds.load_seconds(weights, speed) + speeds.forward_seconds(weights, tokens, speed),
    )
    said = f"{texts.prompts:,} references of {texts.reference_tokens:,.0f} tokens in all, for each arm"
    return Part("reference loss", _hours(seconds), 0.0, said)


def _answers(expanded: Lineup, sizes: Sizes) -> Part:
    settings, speed = expanded.experiment.evaluate.generate, sizes.hardware.speed
    prompts, tokens = sizes.texts.prompts, sizes.texts.prompt_tokens
    seconds = _of_each(
        sizes,
        lambda weights: (
            speeds.load_seconds(weights, speed)
            + speeds.generate_seconds(weights, prompts, tokens, settings, speed)
        ),
    )
    said = f"every answer has {settings.max_new_tokens:,} tokens; less where they end before"
    return Part("answers", _hours(seconds), 0.0, said)


def _of_each(sizes: Sizes, time: Callable[[int], float]) -> list[float | None]:
    """The time by every arm's model; None for one of unknown size."""
    return [None if weights is None else time(weights) for weights in sizes.weights.values()]


def _judging(expanded: Lineup, evaluation: Json, sizes: Sizes) -> list[Part]:
    found = []
    for settings, planned in zip(expanded.experiment.evaluate.judges, evaluation["judges"], strict=True):
        calls = planned["calls"]
        if calls:
            seconds = calls * REPLY_SECONDS / settings.concurrency
            said = f"{calls:,} calls of {REPLY_SECONDS:g} s, {settings.concurrency} at a time; long replies"
        else:
            texts = evaluation["answers"] + sizes.texts.prompts
            seconds = speeds.EMBED_START + texts * speeds.EMBED_SECONDS
            said = f"{texts:,} texts embedded"
        usd = planned["at_most_usd"] if calls else 0.0
        found.append(Part(f"judge {settings.name}", seconds / 3600, usd, said))
    return found


def _hours(seconds: Sequence[float | None]) -> float | None:
    total = _sum(seconds)
    return None if total is None else total / 3600


def _sum(values: Sequence[float | None]) -> float | None:
    """The sum; None where one is unknown."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def total_hours(found: Sequence[Part]) -> float | None:
    """Of all parts; None where one is unknown."""
    return _sum([part.hours for part in found])


def known_hours(found: Sequence[Part]) -> tuple[float, list[str]]:
    """The sum of what is known, and the names of the parts that are not."""
    unknown = [part.name for part in found if part.hours is None]
    return sum(part.hours for part in found if part.hours is not None), unknown


def total_usd(found: Sequence[Part]) -> float | None:
    """Of all parts; None where one is unknown."""
    return _sum([part.usd for part in found])

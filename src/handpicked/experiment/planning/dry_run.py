"""The dry run: resolves every name, counts rows, steps and tokens, estimates memory, time and cost."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from handpicked.bench import planned
from handpicked.config import Experiment, ModelSettings
from handpicked.endpoint.cost import price
from handpicked.errors import HandpickedError
from handpicked.experiment.checks import missing_parts, mistakes
from handpicked.experiment.file import load
from handpicked.experiment.job import read_test_set
from handpicked.experiment.launching import launch_mistakes
from handpicked.experiment.lineup import Lineup, lineup, members_of
from handpicked.experiment.planning.arm_rows import ArmScoring, arm_rows, selectable
from handpicked.experiment.planning.encoded_rows import encoded_costs, encoded_lengths
from handpicked.experiment.planning.planned_arm import (
    Costs,
    LikelyRows,
    PlannedArm,
    arm_likely_rows,
    planned_arm,
    row_costs,
)
from handpicked.experiment.planning.rendered import Rendered, rendered, templates
from handpicked.experiment.planning.speeds import (
    CPU_MEMORY,
    Hardware,
    Speed,
    forward_hours,
    guess_size,
    machine_for,
    speed_for,
)
from handpicked.experiment.planning.totals import (
    Part,
    Sizes,
    Texts,
    held_out_texts,
    parts,
    texts_of,
    total_hours,
    total_usd,
)
from handpicked.experiment.planning.untouched import refused
from handpicked.judges import load_judge
from handpicked.records import Json, Pool
from handpicked.train.estimate import model_size
from handpicked.workers.machine import GIB, Machine

if TYPE_CHECKING:
    from handpicked.experiment.run import Until
    from handpicked.models.template import Template
    from handpicked.scorers.forecast import Forecast
    from handpicked.train.estimate import ModelSize

REFINE_PROMPT_TOKENS = 250
"""Tokens of a rewriting prompt beside the row's own, about as many as in the shipped one."""
CONFIGURED = "its configuration"
"""Where a model's shape is from, when its files are here."""


@dataclass(frozen=True)
class DryRun:
    """A planned experiment: the arms, the evaluation, what is missing on this machine,
    and the assumptions made.

    ``pools`` and ``models`` are those beside the first; ``refined`` are the arms whose responses are
    rewritten, ``scored`` says what the scorers by models take for each arm; ``rendered`` is what every chat
    template makes of the real rows and prompts. ``parts`` are the work that has an estimate in numbers, whose
    sums are ``hours`` and ``at_most_usd`` (None: a part is unknown). ``machine`` is what it is planned for,
    with so many ``devices``.
    """

    name: str
    pool: Json
    model: Json
    arms: tuple[PlannedArm, ...]
    evaluation: Json
    missing: tuple[str, ...]
    assumed: tuple[str, ...] = field(default=())
    pools: tuple[Json, ...] = ()
    models: tuple[Json, ...] = ()
    refined: tuple[Json, ...] = ()
    scored: tuple[Json, ...] = ()
    rendered: tuple[Rendered, ...] = ()
    parts: tuple[Part, ...] = ()
    hours: float | None = None
    at_most_usd: float | None = None
    machine: str = ""
    devices: int = 1

    @property
    def summary(self) -> Json:
        """As plain JSON."""
        return asdict(self)


def plan(
    file: Path,
    overrides: Sequence[str] = (),
    *,
    until: Until = "report",
    only: Sequence[str] = (),
    devices: str = "all",
    assume: str | None = None,
) -> DryRun:
    """The plan of the experiment in ``file`` up to a stage, of the arms named in ``only`` or of all, for
    ``devices`` of this machine, or for the machine that ``assume`` writes as ``8xH100-80GB``. Reads the pool
    and the prompts; starts nothing, pays nothing, writes nothing.

    Raises ConfigError for mistakes in the file, as a run would, and for every arm whose training could not
    move a weight; what this machine lacks is listed instead.
    """
    machine = machine_for(devices, assume)
    experiment = load(file, overrides, also=lambda read: [*mistakes(read), *launch_mistakes(read, machine)])
    hardware, missing = Hardware.of(machine), list[str]()
    expanded = lineup(experiment)
    sizes = {name: _size(settings, missing) for name, settings in _bases(experiment).items()}
    counted = _counted(expanded, members_of(expanded, only), sizes)
    arms = tuple(_arm(expanded, name, counted, sizes, hardware) for name in counted.rows)
    if found := refused(expanded, arms):
        load(file, overrides, also=lambda _: found)
    evaluation = _evaluation(expanded, counted.pools)
    evaluation["benchmarks"] = _benchmarks(expanded, sizes, hardware.speed)
    refined = _refined(expanded, counted)
    weights = {name: None if size is None else size.weights for name, (size, _) in sizes.items()}
    models_of = {name: weights[expanded.experiment.arms[name].model or ""] for name in counted.rows}
    planned_sizes = Sizes(models_of, evaluation["texts"], hardware)
    work = parts(expanded, arms, evaluation, refined, counted.forecasts, planned_sizes, until)
    pools, models = _pools(expanded, counted.pools), _models(experiment, weights)
    missing += [*missing_parts(experiment), *_missing_gpu(arms, machine)]
    return DryRun(
        name=experiment.name,
        pool=pools[0],
        model=models[0],
        arms=arms,
        evaluation=evaluation,
        missing=tuple(dict.fromkeys(missing)),
        assumed=_assumed(sizes, hardware.speed),
        pools=tuple(pools[1:]),
        models=tuple(models[1:]),
        refined=refined,
        scored=counted.scored,
        rendered=rendered(expanded, _absent(experiment, sizes)),
        parts=work,
        hours=total_hours(work),
        at_most_usd=total_usd(work),
        machine=machine.name,
        devices=len(machine.devices),
    )


@dataclass(frozen=True)
class _Counted:
    """What was counted in the pools: their rows' tokens; of each arm its rows, which rows these likely are, and
    what its scorers by models take.
    """

    pools: Mapping[str | None, Costs]
    rows: Mapping[str, int]
    likely: Mapping[str, LikelyRows]
    scoring: Mapping[str, Sequence[ArmScoring]]

    @property
    def forecasts(self) -> list[Forecast]:
        """Those of all scorers, each once where arms share its scores."""
        return [*{one.work: one.forecast for each in self.scoring.values() for one in each}.values()]

    @property
    def scored(self) -> tuple[Json, ...]:
        """What they take, arm by arm."""
        return tuple(
            {"arm": name, "scorer": one.scorer, "takes": one.forecast.sentence}
            for name, each in self.scoring.items()
            for one in each
        )


def _counted(
    expanded: Lineup, members: Sequence[str], sizes: Mapping[str, tuple[ModelSize | None, str]]
) -> _Counted:
    with selectable(expanded) as opened:
        pools = {name: row_costs(pool) for name, pool in opened.items()}
        selected = arm_rows(expanded, opened, {name: len(costs) for name, costs in pools.items()})
        rows = {name: selected[name].rows if name in selected else 0 for name in members}
        known = templates(expanded, _absent(expanded.experiment, sizes))
        likely = _likely(expanded, rows, opened, pools, known)
    scoring = {name: selected[name].scoring for name in members if name in selected}
    return _Counted(pools, rows, likely, scoring)


def _pools(expanded: Lineup, pools: Mapping[str | None, Costs]) -> list[Json]:
    return [
        {"of": name or "", "path": expanded.pool(name).path, "rows": len(costs)}
        for name, costs in pools.items()
    ]


def _models(experiment: Experiment, weights: Mapping[str, int | None]) -> list[Json]:
    return [
        {"of": name, "name": settings.name, "weights": weights[name]}
        for name, settings in _bases(experiment).items()
    ]


def _assumed(sizes: Mapping[str, tuple[ModelSize | None, str]], speed: Speed) -> tuple[str, ...]:
    """What the estimates rest on."""
    known = [(size, stated) for size, stated in sizes.values() if size is not None]
    said = [
        *(speed_for(size.weights, speed).says for size, _ in known),
        "rows, steps and tokens without ~ are counted as training counts them; those with ~ are estimated",
        *(f"the model's shape: {stated}" for _, stated in known),
    ]
    return tuple(dict.fromkeys(said))


def _missing_gpu(arms: Sequence[PlannedArm], machine: Machine) -> list[str]:
    most = max((arm.memory_gib or 0 for arm in arms), default=0)
    if machine.gpu or most * GIB <= CPU_MEMORY:
        return []
    return [f"There is no GPU here; training needs one with some {most:.0f} GiB."]


def _bases(experiment: Experiment) -> dict[str, ModelSettings]:
    """The base models by name; the one model of an experiment has none."""
    return dict(experiment.models) or {"": experiment.model}


def _absent(experiment: Experiment, sizes: Mapping[str, tuple[ModelSize | None, str]]) -> set[str]:
    """The models whose files are not available: their shape was guessed."""
    return {model.name for name, model in _bases(experiment).items() if sizes[name][1] != CONFIGURED}


def _size(settings: ModelSettings, missing: list[str]) -> tuple[ModelSize | None, str]:
    """The model's shape, from its configuration or else guessed from its name, and which of the two."""
    try:
        return model_size(settings), CONFIGURED
    except ImportError:
        pass  # missing_parts names it
    except HandpickedError as error:
        missing.append(str(error))
    return guess_size(settings.name), "guessed from the size in its name"


def _likely(
    expanded: Lineup,
    rows: Mapping[str, int],
    opened: Mapping[str | None, Pool],
    pools: Mapping[str | None, Costs],
    known: Mapping[tuple[str, str], Template],
) -> dict[str, LikelyRows]:
    """The rows that each arm is trained on, encoded where they are known; ``known`` are the chat templates
    that are here.
    """
    found = {}
    estimated: dict[tuple[str | None, str, str], Costs] = {}
    for name, count in rows.items():
        arm, settings = expanded.experiment.arms[name], expanded.train(name)
        if arm.by == "none":
            continue
        key = (expanded.model(name).name, settings.template)
        costs = pools[arm.pool]
        if key in known:
            lengths = encoded_lengths(expanded, name, opened[arm.pool], count, known[key])
            if lengths is not None:
                found[name] = LikelyRows(lengths, exact=True)
                continue
            of = (arm.pool, *key)
            if of not in estimated:
                estimated[of] = encoded_costs(opened[arm.pool], costs, known[key])
            costs = estimated[of]
        found[name] = arm_likely_rows(expanded, arm, costs, count, settings.max_length)
    return found


def _arm(
    expanded: Lineup,
    name: str,
    counted: _Counted,
    sizes: Mapping[str, tuple[ModelSize | None, str]],
    hardware: Hardware,
) -> PlannedArm:
    arm, likely = expanded.experiment.arms[name], counted.likely.get(name)
    costs, (size, _) = counted.pools[arm.pool], sizes[arm.model or ""]
    if likely is None:
        return PlannedArm(name, arm.by)
    settings = expanded.train(name)
    longest = max((response + prompt for response, prompt in costs), default=None)
    return planned_arm(name, arm, counted.rows[name], likely, settings, size, longest, hardware)


def _refined(expanded: Lineup, counted: _Counted) -> tuple[Json, ...]:
    found = [_refinement(expanded, name, rows, counted.pools) for name, rows in counted.rows.items()]
    return tuple(part for part in found if part is not None)


def _refinement(expanded: Lineup, name: str, rows: int, pools: Mapping[str | None, Costs]) -> Json | None:
    """The calls that rewriting an arm's responses takes, and the most they cost."""
    arm = expanded.experiment.arms[name]
    if arm.refine is None:
        return None
    costs = pools[arm.pool]
    a_pass = round(arm_likely_rows(expanded, arm, costs, rows, sys.maxsize).mean * rows)
    most = price(a_pass + rows * REFINE_PROMPT_TOKENS, rows * arm.refine.max_tokens, arm.refine)
    return {
        "arm": name,
        "model": arm.refine.model,
        "calls": rows,
        "at_most_usd": None if most is None else round(most, 2),
    }


def _evaluation(expanded: Lineup, pools: Mapping[str | None, Costs]) -> Json:
    """Prompts, comparisons, and the judge's calls with their cost."""
    experiment = expanded.experiment
    evaluate = experiment.evaluate
    sets: dict[str, int] = {}
    words = 0
    texts = Texts()
    for prompts in evaluate.prompts:
        if prompts.path is None:
            rows = expanded.pool(prompts.pool).hold_out
            sets[prompts.name] = min(rows, prompts.limit or rows)
            held_out = held_out_texts(expanded.pool(prompts.pool), pools[prompts.pool])
            texts += held_out.of(sets[prompts.name])
            continue
        listed = read_test_set(prompts)[: prompts.limit]
        sets[prompts.name] = len(listed)
        words += sum(len(prompt.text) for prompt in listed) // 4
        texts += texts_of(listed, prompts.references)
    count = sum(sets.values())
    arms = len(experiment.arms)
    pairs = len(expanded.comparisons())
    judges = []
    for settings in evaluate.judges:
        judge = load_judge(settings.name)
        calls = 2 * pairs * count if judge.asks else 0
        prompt_tokens = (
            calls * (len(judge.template) // 4 + 2 * evaluate.generate.max_new_tokens) + 2 * pairs * words
        )
        reply_tokens = calls * judge.max_tokens
        cost = None if settings.server is None else 0.0
        if judge.asks and settings.price_in is not None and settings.price_out is not None:
            cost = round((prompt_tokens * settings.price_in + reply_tokens * settings.price_out) / 1e6, 2)
        judges.append({"name": settings.name, "model": settings.model, "calls": calls, "at_most_usd": cost})
    return {"prompts": sets, "comparisons": pairs, "answers": arms * count, "judges": judges, "texts": texts}


def _benchmarks(
    expanded: Lineup, sizes: Mapping[str, tuple[ModelSize | None, str]], speed: Speed
) -> list[Json]:
    """Documents of each benchmark; its requests, tokens and hours on all arms together."""
    evaluate = expanded.experiment.evaluate
    bases = [sizes[arm.model or ""][0] for arm in expanded.experiment.arms.values()]
    weights = [None if size is None else size.weights for size in bases]
    found = []
    for one in planned(evaluate.benchmarks, evaluate.bench):
        entry: dict[str, object] = {
            "benchmark": one.benchmark,
            "documents": one.documents,
            "requests": None,
            "tokens": None,
            "hours": None,
        }
        if one.requests is not None and one.tokens is not None:
            entry |= {"requests": one.requests * len(bases), "tokens": one.tokens * len(bases)}
            entry["hours"] = forward_hours(one.tokens, weights, speed)
        found.append(entry)
    return found

"""The dry run: resolves every name, counts rows, steps and tokens, estimates memory, time and cost."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handpicked.config import Experiment, ModelSettings
from handpicked.data import read_prompts
from handpicked.endpoint.cost import price
from handpicked.errors import HandpickedError, MissingPart
from handpicked.experiment import speeds as estimate
from handpicked.experiment.arm_rows import arm_rows, selectable
from handpicked.experiment.checks import missing_parts, mistakes
from handpicked.experiment.file import load
from handpicked.experiment.launching import launch_mistakes
from handpicked.experiment.lineup import Lineup, lineup
from handpicked.experiment.planned_arm import (
    ON_CPU,
    Costs,
    PlannedArm,
    arm_likely_rows,
    planned_arm,
    row_costs,
)
from handpicked.experiment.rendered import Rendered, rendered
from handpicked.experiment.untouched import refused
from handpicked.judges import load_judge
from handpicked.train.estimate import model_size
from handpicked.workers.devices import parse_devices
from handpicked.workers.machine import CPU, Machine, assumed, this_machine

if TYPE_CHECKING:
    from handpicked.train.estimate import ModelSize

REFINE_PROMPT_TOKENS = 250
"""Tokens of a rewriting prompt beside the row's own, about those of the one that is shipped."""
CONFIGURED = "its configuration"
"""Where a model's shape is from, when its files are here."""
CPU_GIB = 20
"""Memory of one arm, in GiB, beyond which a GPU is said to be missing."""


@dataclass(frozen=True)
class DryRun:
    """A planned experiment: the arms, the evaluation, what is missing on this machine,
    and the assumptions made.

    ``pools`` and ``models`` are those beside the first; ``refined`` are the arms whose responses are
    rewritten, ``scored`` says what the scorers by models take for each arm; ``rendered`` is what every chat
    template makes of the real rows and prompts. ``machine`` is what it is planned for, with so many
    ``devices``.
    """

    name: str
    pool: dict[str, Any]
    model: dict[str, Any]
    arms: tuple[PlannedArm, ...]
    evaluation: dict[str, Any]
    missing: tuple[str, ...]
    assumed: tuple[str, ...] = field(default=())
    pools: tuple[dict[str, Any], ...] = ()
    models: tuple[dict[str, Any], ...] = ()
    refined: tuple[dict[str, Any], ...] = ()
    scored: tuple[dict[str, Any], ...] = ()
    rendered: tuple[Rendered, ...] = ()
    machine: str = ""
    devices: int = 1

    @property
    def summary(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)


def plan(
    file: Path, overrides: Sequence[str] = (), *, devices: str = "all", assume: str | None = None
) -> DryRun:
    """The plan of the experiment in ``file`` for ``devices`` of this machine, or for the machine that
    ``assume`` writes as ``8xH100-80GB``. Reads the pool and the prompts; starts nothing, pays nothing, writes
    nothing.

    Raises ConfigError for mistakes in the file, as a run would, and for every arm whose training could not
    move a weight; what this machine lacks is listed instead.
    """
    machine = _machine(devices, assume)
    experiment = load(file, overrides, also=lambda read: [*mistakes(read), *launch_mistakes(read, machine)])
    missing: list[str] = []
    expanded = lineup(experiment)
    sizes = {name: _size(settings, missing) for name, settings in _bases(experiment).items()}
    with selectable(expanded) as opened:
        pools = {name: row_costs(pool) for name, pool in opened.items()}
        selected = arm_rows(expanded, opened, {name: len(costs) for name, costs in pools.items()})
    rows = {name: one.rows for name, one in selected.items()}
    arms = tuple(
        _arm(expanded, name, rows.get(name, 0), pools, sizes, machine) for name in expanded.experiment.arms
    )
    if found := refused(expanded, arms):
        load(file, overrides, also=lambda _: found)
    evaluation = {**_evaluation(expanded), "benchmarks": _benchmarks(expanded, sizes, machine.gpu)}
    missing += missing_parts(experiment)
    if _needs_gpu(arms) and not machine.gpu:
        most = max(arm.memory_gib or 0 for arm in arms)
        missing.append(f"There is no GPU here; training needs one with some {most:.0f} GiB.")
    rates = f"training at {estimate.GPU_FLOPS / 1e12:.0f} TFLOP/s on a GPU, {estimate.CPU_FLOPS / 1e9:.0f} GFLOP/s without"
    assumed = [
        rates,
        "tokens of a row: prompt and response by the embedded tokenizer, without the template's own",
    ]
    models = [
        {"of": name, "name": settings.name, "weights": size.weights if (size := sizes[name][0]) else None}
        for name, settings in _bases(experiment).items()
    ]
    shapes = dict.fromkeys(stated for size, stated in sizes.values() if size is not None)
    assumed += [f"the model's shape: {stated}" for stated in shapes]
    listed = [
        {"of": name or "", "path": expanded.pool(name).path, "rows": len(costs)}
        for name, costs in pools.items()
    ]
    refined = tuple(
        _refinement(expanded, name, rows.get(name, 0), pools) for name in expanded.experiment.arms
    )
    scored = tuple(
        {"arm": name, "scorer": scorer, "takes": takes}
        for name, one in selected.items()
        for scorer, takes in one.scoring.items()
    )
    return DryRun(
        experiment.name,
        listed[0],
        models[0],
        arms,
        evaluation,
        tuple(dict.fromkeys(missing)),
        tuple(assumed),
        tuple(listed[1:]),
        tuple(models[1:]),
        tuple(part for part in refined if part is not None),
        scored,
        rendered(expanded, _absent(experiment, sizes)),
        machine.name,
        len(machine.devices),
    )


def _bases(experiment: Experiment) -> dict[str, ModelSettings]:
    """The base models by name; the one model of an experiment has none."""
    return dict(experiment.models) or {"": experiment.model}


def _absent(experiment: Experiment, sizes: Mapping[str, tuple[ModelSize | None, str]]) -> set[str]:
    """The models whose files cannot be had here: their shape was guessed."""
    return {model.name for name, model in _bases(experiment).items() if sizes[name][1] != CONFIGURED}


def _size(settings: ModelSettings, missing: list[str]) -> tuple[ModelSize | None, str]:
    """The model's shape, from its configuration or else guessed from its name, and which of the two."""
    try:
        return model_size(settings), CONFIGURED
    except ImportError:
        pass  # missing_parts names it
    except HandpickedError as error:
        missing.append(str(error))
    return estimate.guess_size(settings.name), "guessed from the size in its name"


def _arm(
    expanded: Lineup,
    name: str,
    rows: int,
    pools: Mapping[str | None, Costs],
    sizes: Mapping[str, tuple[ModelSize | None, str]],
    machine: Machine,
) -> PlannedArm:
    arm = expanded.experiment.arms[name]
    costs, (size, _) = pools[arm.pool], sizes[arm.model or ""]
    if arm.by == "none":
        return PlannedArm(name, arm.by)
    settings = expanded.train(name)
    likely = arm_likely_rows(expanded, arm, costs, rows, settings.max_length)
    longest = max((response + prompt for response, prompt in costs), default=None)
    return planned_arm(name, arm, rows, likely, settings, size, longest, machine)


def _refinement(
    expanded: Lineup, name: str, rows: int, pools: Mapping[str | None, Costs]
) -> dict[str, Any] | None:
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


def _evaluation(expanded: Lineup) -> dict[str, Any]:
    """Prompts, comparisons, and the judge's calls with their cost."""
    experiment = expanded.experiment
    evaluate = experiment.evaluate
    sets = {}
    words = 0
    for prompts in evaluate.prompts:
        if prompts.path is None:
            held_out = expanded.pool(prompts.pool).hold_out
            sets[prompts.name] = min(held_out, prompts.limit or held_out)
            continue
        listed = read_prompts(prompts.path, prompts.name, map=prompts.map, limit=prompts.limit)
        sets[prompts.name] = len(listed)
        words += sum(len(prompt.text) for prompt in listed) // 4
    asked = sum(sets.values())
    arms = len(experiment.arms)
    pairs = len(expanded.meetings())
    judges = []
    for settings in evaluate.judges:
        judge = load_judge(settings.name)
        calls = 2 * pairs * asked if judge.asks else 0
        prompt_tokens = (
            calls * (len(judge.template) // 4 + 2 * evaluate.generate.max_new_tokens) + 2 * pairs * words
        )
        reply_tokens = calls * judge.max_tokens
        cost = None
        if judge.asks and settings.price_in is not None and settings.price_out is not None:
            cost = round((prompt_tokens * settings.price_in + reply_tokens * settings.price_out) / 1e6, 2)
        judges.append({"name": settings.name, "model": settings.model, "calls": calls, "at_most_usd": cost})
    return {"prompts": sets, "comparisons": pairs, "answers": arms * asked, "judges": judges}


def _benchmarks(
    expanded: Lineup, sizes: Mapping[str, tuple[ModelSize | None, str]], gpu: bool
) -> list[dict[str, Any]]:
    """Documents of each benchmark; its requests, tokens and hours on all arms together."""
    from handpicked.bench import planned

    evaluate = expanded.experiment.evaluate
    bases = [sizes[arm.model or ""][0] for arm in expanded.experiment.arms.values()]
    weights = [None if size is None else size.weights for size in bases]
    found = []
    for one in planned(evaluate.benchmarks, evaluate.bench):
        entry: dict[str, Any] = {
            "benchmark": one.benchmark,
            "documents": one.documents,
            "requests": None,
            "tokens": None,
            "hours": None,
        }
        if one.requests is not None and one.tokens is not None:
            entry |= {"requests": one.requests * len(bases), "tokens": one.tokens * len(bases)}
            entry["hours"] = _forward_hours(one.tokens, weights, gpu)
        found.append(entry)
    return found


def _forward_hours(tokens: int, weights: Sequence[int | None], gpu: bool) -> float | None:
    """2 operations a weight a token (Kaplan et al., 2020), for each of the models; None
    where one's size is unknown.
    """
    known = [each for each in weights if each is not None]
    if len(known) < len(weights):
        return None
    seconds = [
        2.0 * each * tokens / (estimate.GPU_FLOPS if gpu or each > ON_CPU else estimate.CPU_FLOPS)
        for each in known
    ]
    return round(sum(seconds) / 3600, 3)


def _needs_gpu(arms: Sequence[PlannedArm]) -> bool:
    return any((arm.memory_gib or 0) > CPU_GIB for arm in arms)


def _machine(devices: str, assume: str | None) -> Machine:
    """The machine to plan for; without torch, which alone could tell of a GPU, a CPU."""
    if assume is not None:
        return assumed(assume)
    try:
        return this_machine(parse_devices(devices))
    except MissingPart:
        return CPU


def text_of(planned: DryRun) -> str:
    """The plan for reading in a terminal."""
    lines = [f"{planned.name}: a dry run; nothing was started.", ""]
    for pool in (planned.pool, *planned.pools):
        of = f"{pool['of']}: " if pool["of"] else ""
        lines.append(f"pool    {of}{pool['path']}: {pool['rows']:,} rows to select from")
    for model in (planned.model, *planned.models):
        of, size = f"{model['of']}: " if model["of"] else "", model["weights"]
        lines.append(f"model   {of}{model['name']}" + (f": {size / 1e6:,.0f}M weights" if size else ""))
    lines += ["", *_arm_lines(planned.arms), *_start_lines(planned)]
    evaluation = planned.evaluation
    sets = ", ".join(f"{name} {count}" for name, count in evaluation["prompts"].items())
    lines += [
        "",
        f"prompts {sets}; {evaluation['answers']:,} answers, {evaluation['comparisons']} comparisons",
    ]
    lines += [f"template {one.sentence}" for one in planned.rendered]
    for part in planned.refined:
        cost = "cost unknown: give price_in and price_out"
        if part["at_most_usd"] is not None:
            cost = f"at most ${part['at_most_usd']:,.2f}"
        lines.append(f"refine  {part['arm']} ({part['model']}): {part['calls']:,} calls, {cost}")
    lines += [f"score   {part['arm']}: {part['scorer']}: {part['takes']}" for part in planned.scored]
    for judge in evaluation["judges"]:
        asked = f" ({judge['model']})" if judge["model"] else ""
        cost = "free" if not judge["calls"] else "cost unknown: give price_in and price_out"
        if judge["at_most_usd"] is not None:
            cost = f"at most ${judge['at_most_usd']:,.2f}"
        lines.append(f"judge   {judge['name']}{asked}: {judge['calls']:,} calls, {cost}")
    for one in evaluation["benchmarks"]:
        known = one["requests"] is not None
        requests = f"{one['requests']:,} requests on all arms" if known else "of lm-eval: size unknown"
        lines.append(f"bench   {one['benchmark']}: {requests}, {_time(one['hours'])}")
    lines += ["", "assumed: " + "; ".join(planned.assumed)]
    warnings = [*_advice(planned.arms), *(warning for arm in planned.arms for warning in arm.warnings)]
    lines += ["", "Warnings:", *(f"  - {warning}" for warning in warnings)] if warnings else []
    lines += ["", "Missing on this machine:" if planned.missing else "Nothing is missing on this machine."]
    return "\n".join([*lines, *(f"  - {part}" for part in planned.missing)])


def _arm_lines(arms: Sequence[PlannedArm]) -> list[str]:
    """The table of the arms, and where their learning rates come from."""
    wide = max(16, *(len(arm.name) + 2 for arm in arms))
    head = f"{'arm':<{wide}}{'by':<16}{'rows':>8}{'steps':>8}{'warm-up':>9}{'peak lr':>9}{'sum of lr':>11}{'tokens':>14}"
    lines = [f"{head}{'memory':>11}{'time':>10}"]
    rates: dict[str, list[str]] = {}
    for arm in arms:
        if arm.learning_rate is None or arm.rate_sum is None:
            lines.append(f"{arm.name:<{wide}}base model")
            continue
        steps, tokens = (("" if arm.exact else "~") + format(count, ",") for count in (arm.steps, arm.tokens))
        memory = f"{arm.memory_gib:.1f} GiB" if arm.memory_gib is not None else "unknown"
        lines.append(
            f"{arm.name:<{wide}}{arm.by:<16}{arm.rows:>8,}{steps:>8}{arm.warmup_steps:>9,}{arm.learning_rate:>9.2g}"
            f"{arm.rate_sum:>11.3g}{tokens:>14}{memory:>11}{_time(arm.hours):>10}"
        )
        rates.setdefault(f"{arm.learning_rate:g} ({arm.rate_origin})", []).append(arm.name)
    said = [f"peak lr {rate}: {', '.join(names)}" for rate, names in rates.items()]
    return [*lines, *(["", *said] if said else [])]


def _start_lines(planned: DryRun) -> list[str]:
    """How the arms are started on the devices, and the memory that they take there."""
    starts: dict[str, list[str]] = {}
    for arm in planned.arms:
        if not arm.launch:
            continue
        at_once = f", {planned.devices} arms side by side" if planned.devices > 1 else ""
        said = f"one device each{at_once}"
        if arm.launch == "file":
            said = "by the Accelerate config"
        elif arm.launch != "one":
            each = arm.memory_gib or 0
            said = f"{arm.launch} on {arm.ranks} devices, {each:.1f} GiB on each, {arm.ranks * each:.1f} GiB in all"
        starts.setdefault(said, []).append(arm.name)
    lines = [f"trained {said}: {', '.join(names)}" for said, names in starts.items()]
    return ["", f"devices {planned.machine}", *lines] if lines else []


def _advice(arms: Sequence[PlannedArm]) -> list[str]:
    """What would fit where arms do not, once for all arms that it is true of."""
    of: dict[str, list[str]] = {}
    for arm in arms:
        if arm.advice:
            of.setdefault(arm.advice, []).append(arm.name)
    return [f"{', '.join(names)}: {advice}" for advice, names in of.items()]


def _time(hours: float | None) -> str:
    if hours is None:
        return "unknown"
    return f"{hours:.1f} h" if hours >= 1 else f"{hours * 60:.0f} min"

"""A dry run: resolve every name, count rows, steps and tokens, estimate memory, time and cost, say what is missing here."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handpicked import estimate
from handpicked.arms import Lineup, lineup
from handpicked.checks import missing_parts, mistakes
from handpicked.config import ArmSettings, Experiment, ModelSettings, PoolSettings
from handpicked.errors import HandpickedError
from handpicked.experiment import load
from handpicked.job import read_pool
from handpicked.rendered import Rendered, rendered

if TYPE_CHECKING:
    from handpicked.train.estimate import ModelSize

ON_CPU = 1_000_000_000
"""Weights beyond which training without a GPU is no plan."""
REFINE_PROMPT_TOKENS = 250
"""Tokens of a rewriting prompt beside the row's own, about those of the one that is shipped."""
Costs = list[tuple[int, int]]
"""(response tokens, prompt tokens) of every row of a pool."""
CONFIGURED = "its configuration"
"""Where a model's shape is from, when its files are here."""
CPU_GIB = 20
"""Memory of one arm, in GiB, beyond which a GPU is said to be missing."""


@dataclass(frozen=True)
class PlannedArm:
    """What one arm would take. ``tokens`` are of prompt and response over all epochs; ``exact`` when rows are known."""

    name: str
    by: str
    rows: int = 0
    tokens: int = 0
    steps: int = 0
    memory_gib: float | None = None
    hours: float | None = None
    exact: bool = True


@dataclass(frozen=True)
class Plan:
    """A planned experiment: the arms, the evaluation, what is missing on this machine, and the assumptions made.

    ``pools`` and ``models`` are those beside the first; ``refined`` are the arms whose responses are rewritten; ``rendered``
    is what every chat template makes of the real rows and prompts.
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
    rendered: tuple[Rendered, ...] = ()

    @property
    def summary(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)


def plan(file: Path, overrides: Sequence[str] = ()) -> Plan:
    """The plan of the experiment in ``file``. Reads the pool and the prompts; starts nothing, pays nothing, writes nothing.

    Raises ConfigError for mistakes in the file, as a run would; what this machine lacks is listed instead.
    """
    experiment = load(file, overrides, also=mistakes)
    missing: list[str] = []
    expanded = lineup(experiment)
    sizes = {name: _size(settings, missing) for name, settings in _bases(experiment).items()}
    gpu = _has_gpu()
    pools = {name: _row_costs(expanded.pool(name)) for name in (None, *experiment.pools)}
    arms = tuple(_arm(expanded, name, pools, sizes, gpu) for name in expanded.experiment.arms)
    evaluation = {**_evaluation(expanded), "benchmarks": _benchmarks(expanded, sizes, gpu)}
    missing += missing_parts(experiment)
    if _needs_gpu(arms) and not gpu:
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
    refined = tuple(_refinement(expanded, name, pools) for name in expanded.experiment.arms)
    return Plan(
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
        rendered(expanded, _absent(experiment, sizes)),
    )


def _bases(experiment: Experiment) -> dict[str, ModelSettings]:
    """The base models by name; the one model of an experiment has none."""
    return dict(experiment.models) or {"": experiment.model}


def _absent(experiment: Experiment, sizes: Mapping[str, tuple[ModelSize | None, str]]) -> set[str]:
    """The models whose files cannot be had here: their shape was guessed."""
    return {model.name for name, model in _bases(experiment).items() if sizes[name][1] != CONFIGURED}


def _size(settings: ModelSettings, missing: list[str]) -> tuple[ModelSize | None, str]:
    """The model's shape, from its configuration or else guessed from its name, and which of the two."""
    from handpicked.train.estimate import model_size

    try:
        return model_size(settings), CONFIGURED
    except ImportError:
        pass  # missing_parts names it
    except HandpickedError as error:
        missing.append(str(error))
    return estimate.guess_size(settings.name), "guessed from the size in its name"


def _row_costs(settings: PoolSettings) -> list[tuple[int, int]]:
    """(response tokens, prompt tokens) of every readable row that is not held out, by the embedded tokenizer."""
    import pyarrow as pa

    from handpicked.data.stdlib import NAME
    from handpicked.score.tokenizer import load_tokenizer

    if settings.path == NAME:
        return _stdlib_costs(settings)
    count = load_tokenizer(None).count
    found: list[tuple[int, int]] = []
    for shard in read_pool(settings).shards:
        for batch in shard.read(["row", "prompt", "response"]):
            responses, prompts = (
                count(batch[name].cast(pa.large_string())).to_pylist() for name in ("response", "prompt")
            )
            found += zip(responses, prompts, strict=True)
    return found


def _stdlib_costs(settings: PoolSettings) -> list[tuple[int, int]]:
    import tempfile

    from handpicked.data.stdlib import write_pool

    with tempfile.TemporaryDirectory(prefix="handpicked-") as folder:
        written = write_pool(Path(folder) / "pool.jsonl")
        return _row_costs(settings.model_copy(update={"path": str(written)}))


def _arm(
    expanded: Lineup,
    name: str,
    pools: Mapping[str | None, Costs],
    sizes: Mapping[str, tuple[ModelSize | None, str]],
    gpu: bool,
) -> PlannedArm:
    from handpicked.train.estimate import estimate as estimate_training

    arm = expanded.experiment.arms[name]
    costs, (size, _) = pools[arm.pool], sizes[arm.model or ""]
    if arm.by == "none":
        return PlannedArm(name, arm.by)
    settings = expanded.train(name)
    rows = _rows(arm, len(costs))
    a_pass, exact = _tokens(arm, costs, rows, settings.max_length)
    if size is None:
        return PlannedArm(name, arm.by, rows, round(a_pass * settings.epochs), exact=exact)
    gpu = gpu or size.weights > ON_CPU
    speed = estimate.tokens_per_second(size, settings, gpu=gpu)
    found = estimate_training(
        rows,
        a_pass / max(rows, 1),
        size,
        settings,
        longest_row=max((response + prompt for response, prompt in costs), default=None),
        bytes_per_weight=2 if gpu else 4,
        tokens_per_second=speed,
    )
    hours = round((found.seconds or 0) / 3600, 3)
    return PlannedArm(
        name, arm.by, rows, found.tokens, found.steps, round(found.memory / 2**30, 1), hours, exact
    )


def _rows(arm: ArmSettings, pool: int) -> int:
    if arm.size is not None:
        return min(arm.size, pool)
    return int(arm.fraction * pool) if arm.fraction is not None else pool


def _refinement(expanded: Lineup, name: str, pools: Mapping[str | None, Costs]) -> dict[str, Any] | None:
    """The calls that rewriting an arm's responses takes, and the most they cost."""
    from handpicked.endpoint.cost import price

    arm = expanded.experiment.arms[name]
    if arm.refine is None:
        return None
    costs = pools[arm.pool]
    rows = _rows(arm, len(costs))
    a_pass, _ = _tokens(arm, costs, rows, sys.maxsize)
    most = price(a_pass + rows * REFINE_PROMPT_TOKENS, rows * arm.refine.max_tokens, arm.refine)
    return {
        "arm": name,
        "model": arm.refine.model,
        "calls": rows,
        "at_most_usd": None if most is None else round(most, 2),
    }


def _tokens(arm: ArmSettings, costs: Costs, rows: int, max_length: int) -> tuple[int, bool]:
    """Tokens of one pass over the arm's rows, and whether these are the very rows (no guard, no chance, no model)."""
    cut = [min(response + prompt, max_length) for response, prompt in costs]
    if rows == len(costs):
        return sum(cut), True
    if arm.by in ("longest", "shortest") and arm.measure == "tokens" and not arm.guards:
        order = sorted(range(len(costs)), key=lambda row: costs[row][0], reverse=arm.by == "longest")
        return sum(cut[row] for row in order[:rows]), True
    return round(sum(cut) / max(len(cut), 1) * rows), False


def _evaluation(expanded: Lineup) -> dict[str, Any]:
    """Prompts, comparisons, and the judge's calls with their cost."""
    from handpicked.data import read_prompts
    from handpicked.judge import load_judge

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
    """2 operations a weight a token (Kaplan et al., 2020), for each of the models; None where one's size is unknown."""
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


def _has_gpu() -> bool:
    if importlib.util.find_spec("torch") is None:
        return False
    import torch

    return bool(torch.cuda.is_available())


def text_of(planned: Plan) -> str:
    """The plan for reading in a terminal."""
    lines = [f"{planned.name}: a dry run; nothing was started.", ""]
    for pool in (planned.pool, *planned.pools):
        of = f"{pool['of']}: " if pool["of"] else ""
        lines.append(f"pool    {of}{pool['path']}: {pool['rows']:,} rows to select from")
    for model in (planned.model, *planned.models):
        of, size = f"{model['of']}: " if model["of"] else "", model["weights"]
        lines.append(f"model   {of}{model['name']}" + (f": {size / 1e6:,.0f}M weights" if size else ""))
    wide = max(16, *(len(arm.name) + 2 for arm in planned.arms))
    lines += ["", f"{'arm':<{wide}}{'by':<16}{'rows':>8}{'steps':>8}{'tokens':>14}{'memory':>11}{'time':>10}"]
    for arm in planned.arms:
        if arm.by == "none":
            lines.append(f"{arm.name:<{wide}}untouched")
            continue
        about = "" if arm.exact else "~"
        memory = f"{arm.memory_gib:.1f} GiB" if arm.memory_gib is not None else "unknown"
        time = _time(arm.hours)
        lines.append(
            f"{arm.name:<{wide}}{arm.by:<16}{arm.rows:>8,}{arm.steps:>8,}{about + format(arm.tokens, ','):>14}{memory:>11}{time:>10}"
        )
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
    lines += ["", "Missing on this machine:" if planned.missing else "Nothing is missing on this machine."]
    return "\n".join([*lines, *(f"  - {part}" for part in planned.missing)])


def _time(hours: float | None) -> str:
    if hours is None:
        return "unknown"
    return f"{hours:.1f} h" if hours >= 1 else f"{hours * 60:.0f} min"

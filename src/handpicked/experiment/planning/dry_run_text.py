"""A dry run for reading in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from handpicked.experiment.planning.dry_run import DryRun
from handpicked.experiment.planning.planned_arm import PlannedArm
from handpicked.experiment.planning.totals import known_hours
from handpicked.pages.table import Table, table, text
from handpicked.progress import duration


def text_of(planned: DryRun) -> str:
    """The plan for reading in a terminal."""
    lines = [f"{planned.name}: a dry run; nothing was started.", ""]
    for pool in (planned.pool, *planned.pools):
        of = f"{pool['of']}: " if pool["of"] else ""
        lines.append(f"pool    {of}{pool['path']}: {pool['rows']:,} rows to select from")
    for model in (planned.model, *planned.models):
        of, size = f"{model['of']}: " if model["of"] else "", model["weights"]
        lines.append(f"model   {of}{model['name']}" + (f": {size / 1e6:,.0f}M weights" if size else ""))
    lines += [
        "",
        text(_arm_table(planned.arms), width=150),
        *_rate_lines(planned.arms),
        *_start_lines(planned),
    ]
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
        named = f" ({judge['model']})" if judge["model"] else ""
        cost = "free" if not judge["calls"] else "cost unknown: give price_in and price_out"
        if judge["at_most_usd"] is not None:
            cost = f"at most ${judge['at_most_usd']:,.2f}"
        lines.append(f"judge   {judge['name']}{named}: {judge['calls']:,} calls, {cost}")
    for one in evaluation["benchmarks"]:
        known = one["requests"] is not None
        requests = f"{one['requests']:,} requests on all arms" if known else "of lm-eval: size unknown"
        lines.append(f"bench   {one['benchmark']}: {requests}, {_time(one['hours'])}")
    lines += ["", *_work_lines(planned)] if planned.parts else []
    lines += ["", "assumed: " + "; ".join(planned.assumed)]
    warnings = [*_advice(planned.arms), *(warning for arm in planned.arms for warning in arm.warnings)]
    lines += ["", "Warnings:", *(f"  - {warning}" for warning in warnings)] if warnings else []
    lines += ["", "Missing on this machine:" if planned.missing else "Nothing is missing on this machine."]
    return "\n".join([*lines, *(f"  - {part}" for part in planned.missing)])


def _arm_table(arms: Sequence[PlannedArm]) -> Table:
    """What every arm is trained on, and what that takes."""
    rows = []
    for arm in arms:
        if arm.learning_rate is None or arm.rate_sum is None:
            rows.append([arm.name, "base model", *[""] * 9])
            continue
        counts = (arm.trained_rows, arm.steps, arm.tokens)
        trained, steps, tokens = (("" if arm.exact else "~") + format(count, ",") for count in counts)
        memory = f"{arm.memory_gib:.1f} GiB" if arm.memory_gib is not None else "unknown"
        rates = [f"{arm.learning_rate:.2g}", f"{arm.rate_sum:.3g}"]
        rows.append(
            [
                arm.name,
                arm.by,
                f"{arm.rows:,}",
                trained,
                steps,
                f"{arm.warmup_steps:,}",
                *rates,
                tokens,
                memory,
                _time(arm.hours),
            ]
        )
    head = [
        "Arm",
        "By",
        "Rows",
        "Trained on",
        "Steps",
        "Warm-up",
        "Peak lr",
        "Sum of lr",
        "Tokens",
        "Memory",
        "Time",
    ]
    return table("Arms", head, rows, 2)


def _rate_lines(arms: Sequence[PlannedArm]) -> list[str]:
    """Where the learning rates come from."""
    rates: dict[str, list[str]] = {}
    for arm in arms:
        if arm.learning_rate is not None:
            rates.setdefault(f"{arm.learning_rate:g} ({arm.rate_origin})", []).append(arm.name)
    return [f"peak lr {rate}: {', '.join(names)}" for rate, names in rates.items()]


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
    """What would fit where arms do not, once for all arms with the same advice."""
    of: dict[str, list[str]] = {}
    for arm in arms:
        if arm.advice:
            of.setdefault(arm.advice, []).append(arm.name)
    return [f"{', '.join(names)}: {advice}" for advice, names in of.items()]


def _work_lines(planned: DryRun) -> list[str]:
    """Each part of the work with its time and money, and the sums."""
    rows = [[part.name, part.assumed, _time(part.hours), _money(part.usd)] for part in planned.parts]
    lines = text(table("Work", ["Part", "If", "Time", "Cost at most"], rows, 2), width=150).split("\n")
    known, unknown = known_hours(planned.parts)
    hours = f"some {_time(known)}"
    if unknown:
        hours = f"at least {_time(known)} (the time of {', '.join(unknown)} is unknown)"
    usd = (
        "cost unknown: give price_in and price_out"
        if planned.at_most_usd is None
        else _money(planned.at_most_usd)
    )
    return [*lines, f"In all: {hours}; {usd}"]


def _money(usd: float | None) -> str:
    return "unknown" if usd is None else f"${usd:,.2f}" if usd else "free"


def _time(hours: float | None) -> str:
    return "unknown" if hours is None else duration(3600 * hours)

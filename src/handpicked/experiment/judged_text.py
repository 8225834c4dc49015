"""Judgements as lines for a terminal: mean grades, the judge's health, win rates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from handpicked.votes import summary as people

KINDS = {"test_sets": "test set", "categories": "category"}


def text_of(results: Mapping[str, Any]) -> str:
    """The judgements for reading in a terminal."""
    lines: list[str] = []
    for judge, rows in results.get("grades", {}).items():
        lines.append(f"mean grades by {judge}")
        for row in rows:
            named = {row["model"]: row["grade"], **{f"  {name}": part for name, part in row["parts"].items()}}
            lines += [f"  {name:<24}{_interval(mean)}{_lacking(mean)}" for name, mean in named.items()]
    for judge in results["judges"]:
        lines += _health_lines(judge)
        for group, found in judge.get("people", {}).items():
            agreement, kappa = _interval(found["agreement"]), _interval(found["kappa"])
            lines.append(
                f"  people, {group}: agreement {agreement}; kappa {kappa}{_lacking(found['agreement'])}"
            )
        for comparison in judge["comparisons"]:
            lines.append(f"  {comparison['a']} against {comparison['b']}")
            lines += [f"    {line}" for line in [*_rules(comparison), *_controlled(comparison)]]
            for kind in KINDS:
                for name, group in comparison[kind].items():
                    lines.append(f"    {KINDS[kind]} {name}")
                    lines += [f"      {line}" for line in [*_rates(group), *_controlled(group)]]
    if "people" in results:
        lines.append(people.text_of(results["people"]))
    return "\n".join(lines)


def _health_lines(judge: Mapping[str, Any]) -> list[str]:
    """Whether a judge can be believed, its habits, and why replies of it could not be read."""
    health = judge["health"]
    unknown = len(health["reasons"]) == 1 and not health["first_position"]["n"]
    state = "cannot be checked: " if unknown else "NOT to be believed: "
    state = "healthy" if health["healthy"] else state + "; ".join(health["reasons"])
    lines = [f"judge {judge['judge']}: {state}"]
    shown = ("first_position", "contradictions", "ties", "longer", "unparsed")
    lines += [f"  {name.replace('_', ' '):<16}{_interval(health[name])}" for name in shown]
    lines += [f"    {count} of them: {reason}" for reason, count in health["unparsed_reasons"].items()]
    if health["unparsed_samples"]:
        lines.append(f"    for example: {' '.join(health['unparsed_samples'][0].split())[:100]}")
    return lines


def _rules(comparison: Mapping[str, Any]) -> list[str]:
    """Counts and rates of two models under each rule."""
    lines = []
    for rule in ("strict", "summed"):
        found = comparison[rule]
        tally = ", ".join(f"{count} {name}" for name, count in found["counts"].items())
        lines.append(f"{rule:<8}{tally}; winning score {_interval(found['winning_score'], 4)}")
        lines.append(f"{'':<8}win rate {_rate(found)}")
        lines.append(f"{'':<8}share won {_interval(found['share_won'])}")
    return lines + [f"soft    win rate {_rate(found)}" for found in [comparison["soft"]] if found]


def _rates(group: Mapping[str, Any]) -> list[str]:
    """The win rates of a test set or a category."""
    soft = [f"soft win rate {_rate(group['soft'])}"] if group["soft"] else []
    return [f"win rate {_rate(group['strict'])}", *soft]


def _rate(found: Mapping[str, Any]) -> str:
    error = found["standard_error"]
    return _interval(found["win_rate"], 4) + ("" if error is None else f", standard error {error:.4f}")


def _lacking(estimate: Mapping[str, Any]) -> str:
    return f", {estimate['missing']} missing" if estimate["missing"] else ""


def _controlled(group: Mapping[str, Any]) -> list[str]:
    """The win rate with length, then style too, held equal; and where the answer was the longer or the shorter one."""
    length = group["length_controlled"]["win_rate"]
    lines = [f"length-controlled win rate {_held_equal(length)}"]
    if group["length_controlled_soft"]:
        lines.append(
            f"soft length-controlled win rate {_held_equal(group['length_controlled_soft']['win_rate'])}"
        )
    if group["style_controlled"]:
        lines.append(f"style-controlled win rate {_held_equal(group['style_controlled']['win_rate'])}")
    near = length["near_equal"]
    if near["of"]:
        share = f"{near['share']:.0%} of the pairs"
        lines.append(f"within {near['within']:.0%} of equal length {_interval(near['win_rate'])}, {share}")
    lengths = group["by_length"]
    return [*lines, *(f"when {name} {_interval(lengths[name])}" for name in ("longer", "shorter"))]


def _held_equal(controlled: Mapping[str, Any]) -> str:
    """A rate at equal length or style, with what other forms of control say; or why there is none."""
    if controlled["value"] is None:
        return f"no value: {controlled['reason']}"
    low, high = controlled["range"]
    forms = f"{low:.3f} to {high:.3f} over {len(controlled['forms'])} forms of control"
    return f"{_interval(controlled)}; {forms}{'; ' + controlled['reason'] if controlled['reason'] else ''}"


def _interval(estimate: Mapping[str, Any], digits: int = 3) -> str:
    if estimate["value"] is None:
        return f"none (n = {estimate['n']})"
    low, high = estimate["low"], estimate["high"]
    spread = f" (95% {low:.{digits}f} to {high:.{digits}f})" if low is not None else ""
    return f"{estimate['value']:.{digits}f}{spread}, n = {estimate['n']}"

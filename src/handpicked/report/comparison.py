"""A page that compares several runs: their answers, numbers and differing settings."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from pydantic import JsonValue

from handpicked.pages.shell import shell
from handpicked.records import Estimate
from handpicked.report.headline import headline_comparisons
from handpicked.report.page import environment
from handpicked.results.schema import Results
from handpicked.results.sections.comparisons import ArmComparison

NOT_A_DIFFERENCE = ("name", "why", "cost", "expected")
"""Fields of the experiment that are shown elsewhere on the page."""


def render_comparison(results: Sequence[Results]) -> str:
    """The page of several runs, in the order given. Pure, like ``render``: the same
    bytes for the same results.
    """
    labels = _labels([run.name for run in results])
    return (
        environment()
        .get_template("comparison.html.j2")
        .render(
            **shell(),
            runs=[{"label": label, "results": run} for label, run in zip(labels, results, strict=True)],
            headline=_headline(results),
            same_prompts=_same([run.prompts for run in results]),
            same_judges=_same([[judge.name for judge in run.judges] for run in results]),
            rates=_rates(labels, results),
            losses=_losses(results),
            differences=_differences([run.settings for run in results]),
        )
    )


def _headline(results: Sequence[Results]) -> str:
    said = [run.answer.headline for run in results]
    if _same(said):
        return f"All {len(results)} runs agree: {said[0]}" if len(results) > 1 else said[0]
    return f"The {len(results)} runs do not agree."


def _labels(names: Sequence[str]) -> list[str]:
    """Names of the runs, numbered where two runs share one."""
    counts, seen = Counter(names), Counter[str]()
    labels = []
    for name in names:
        seen[name] += 1
        labels.append(f"{name} ({seen[name]})" if counts[name] > 1 else name)
    return labels


def _same(values: Sequence[object]) -> bool:
    return all(value == values[0] for value in values)


def _rates(labels: Sequence[str], results: Sequence[Results]) -> dict[str, list[tuple[str, ArmComparison]]]:
    """For each rival of any run: the runs that compare the candidate with it, and the comparison."""
    rates: dict[str, list[tuple[str, ArmComparison]]] = {}
    for name, run in zip(labels, results, strict=True):
        label = name if all(judge.healthy for judge in run.judges[:1]) else f"{name}: unhealthy judge"
        for comparison in headline_comparisons(run):
            rates.setdefault(comparison.b, []).append((label, comparison))
    return rates


def _losses(results: Sequence[Results]) -> dict[str, list[Estimate | None]]:
    """For each arm of any run: its loss in every run, ``None`` where there is none."""
    by_run = [{arm.name: arm.loss for arm in run.arms} for run in results]
    names = dict.fromkeys(name for losses in by_run for name in losses if losses[name])
    return {name: [losses.get(name) for losses in by_run] for name in names}


def _differences(settings: Sequence[Mapping[str, JsonValue]]) -> dict[str, list[str]]:
    """Every setting that is not the same in all runs, by its dotted path; a dash
    where a run does not have it.
    """
    flat = [dict(_flatten(run)) for run in settings]
    paths = dict.fromkeys(path for run in flat for path in run if path not in NOT_A_DIFFERENCE)
    rows = {path: [run.get(path, "–") for run in flat] for path in paths}
    return {path: row for path, row in rows.items() if not _same(row)}


def _flatten(node: JsonValue | Mapping[str, JsonValue], path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _flatten(value, f"{path}.{key}" if path else str(key))
    else:
        yield path, node if isinstance(node, str) else json.dumps(node, ensure_ascii=False)

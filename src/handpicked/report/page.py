"""``report.html``: one self-contained page without scripts, fonts, images or network, and
the same bytes every time.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from jinja2 import Environment

from handpicked.pages.shell import environment_of, shell
from handpicked.records import Estimate
from handpicked.report import figures, page_tables
from handpicked.report.arm_names import arm_name
from handpicked.report.control import equal_text, group_rows, near_note
from handpicked.report.headline import first_over_all, headline_comparisons, other_comparisons
from handpicked.report.sections import SECTIONS
from handpicked.report.selected import scored_rows, selected_view, words
from handpicked.report.selected_tables import (
    by_type_table,
    correlation_table,
    difference_table,
    overlap_table,
)
from handpicked.report.size_chart import Frame, size_chart
from handpicked.report.sunburst import sunburst
from handpicked.report.tables import comparison_table, size_table, stage_table, training_table
from handpicked.results.facts import StageFacts
from handpicked.results.schema import Results
from handpicked.results.sections.arms import ArmSection, SizeCurve, SizeMeasure
from handpicked.results.sections.comparisons import Ranking


def render(results: Results) -> str:
    """The page of one run. It holds no script at all, and its content security policy forbids any.

    ``results`` is what ``results.assemble`` gave, or the same read back from results.json.
    """
    main, view = headline_comparisons(results), selected_view(results)
    loss_axis, curve_axes = _loss_axis(results.arms), _curve_axes(results.arms)
    length_axes, size_axes = _length_axes(results), _size_axes(results.size_curves)
    present: dict[str, object] = {
        "comparisons": main,
        "control": main,
        "sizes": size_axes,
        "seeds": results.members,
        "rankings": results.rankings,
        "loss": loss_axis,
        "benchmarks": results.benchmarks,
        "lengths": length_axes,
        "instructions": results.instructions,
        "audit": results.audit,
        "training": curve_axes,
        "answers": any(arm.answer_lengths.n for arm in results.arms),
        "preference": view.effects,
        "judges": results.judges,
        "people": results.people,
        "samples": results.samples,
        "cost": results.stages,
    }
    return (
        environment()
        .get_template("page.html.j2")
        .render(
            results=results,
            sections=[one for one in SECTIONS if present.get(one.template, True)],
            **shell(),
            main=main,
            groups=group_rows(results, main),
            near_note=near_note,
            equal_text=equal_text,
            others=other_comparisons(results),
            loss_axis=loss_axis,
            strength_axis=_strength_axis(results.rankings),
            length_axes=length_axes,
            size_axes=size_axes,
            seed_rates=[c for c in results.comparisons if c.seeds and first_over_all(c, results)],
            pool_of={pool.name: pool for pool in (results.pool, *results.pools)},
            stage_seconds=_stage_seconds(results.stages),
            curve_axes=curve_axes,
            view=view,
            settings=json.dumps(results.settings, indent=2, ensure_ascii=False),
        )
    )


@cache
def environment() -> Environment:
    """The templates of the report, with the tables and charts that they draw."""
    made = environment_of("handpicked.report")
    made.filters.update(words=words, scored_rows=scored_rows)
    made.globals.update(sunburst=sunburst, size_chart=size_chart, arm_name=arm_name)
    made.globals.update(figures=figures, tables=page_tables)
    made.globals.update(comparison_table=comparison_table, size_table=size_table, stage_table=stage_table)
    made.globals.update(
        training_table=training_table, by_type_table=by_type_table, overlap_table=overlap_table
    )
    made.globals.update(difference_table=difference_table, correlation_table=correlation_table)
    return made


def _loss_axis(arms: Sequence[ArmSection]) -> tuple[float, float] | None:
    """An axis for the losses above the candidate's, or ``None`` where there are none."""
    differences = [arm.loss_above_candidate for arm in arms if arm.loss_above_candidate]
    return _around_zero(differences, 0.01) if differences else None


def _strength_axis(rankings: Sequence[Ranking]) -> tuple[float, float]:
    return _around_zero([row.strength for ranking in rankings for row in ranking.arms], 0.5)


def _around_zero(estimates: Sequence[Estimate], least: float) -> tuple[float, float]:
    """A symmetric axis that holds every interval and reaches at least so far."""
    ends = [abs(end) for item in estimates for end in (item.low, item.high) if end is not None]
    reach = 1.1 * max([least, *ends])
    return -reach, reach


@dataclass(frozen=True)
class SizePanels:
    """One measure with its curves, on axes that all of them share."""

    name: str
    curves: Sequence[tuple[SizeCurve, SizeMeasure]]
    frame: Frame


def _size_axes(curves: Sequence[SizeCurve]) -> list[SizePanels]:
    """Each measure with its curves."""
    names = dict.fromkeys(measure.name for curve in curves for measure in curve.measures)
    found = []
    for name in names:
        drawn = [(curve, m) for curve in curves for m in curve.measures if m.name == name]
        points = [point for _, measure in drawn for point in measure.points]
        ends = [end for point in points for end in (point.value.low, point.value.value, point.value.high)]
        values = [end for end in ends if end is not None]
        if name.startswith("win rate"):
            values.append(0.5)
        room = 0.05 * (max(values) - min(values)) or 0.05
        rows = [point.rows for point in points]
        frame = Frame((min(rows), max(rows)), (min(values) - room, max(values) + room))
        found.append(SizePanels(name, drawn, frame))
    return found


@dataclass(frozen=True)
class LengthAxes:
    """The lower edges of the bins shown, and the tallest share of any panel."""

    bins: Sequence[int]
    tallest: float


def _length_axes(results: Results) -> LengthAxes | None:
    """The bins shown and the tallest share, equal for all arms so that their panels can be compared."""
    pools = (results.pool, *results.pools)
    summaries = [*(pool.lengths for pool in pools), *(arm.lengths for arm in results.arms)]
    filled = [int(edge) for summary in summaries for edge in summary.counts]
    if not filled:
        return None
    shares = [count / s.n for s in summaries if s.n for count in s.counts.values()]
    bins = [edge for edge in results.length_bins if min(filled) <= edge <= max(filled)]
    return LengthAxes(bins, max(shares))


def _curve_axes(arms: Sequence[ArmSection]) -> tuple[float, float, float] | None:
    """Last step, lowest and highest loss over all arms, or ``None`` where nothing was trained."""
    points = [point for arm in arms if arm.training for point in arm.training.curve]
    if not points:
        return None
    losses = [loss for _, loss in points]
    low, high = min(losses), max(losses)
    room = 0.05 * (high - low) or 0.1
    return max(step for step, _ in points), low - room, high + room


def _stage_seconds(stages: Sequence[StageFacts]) -> dict[str, float]:
    """Seconds by stage over all arms, in the order in which the stages first ran."""
    seconds: dict[str, float] = {}
    for stage in stages:
        seconds[stage.name] = seconds.get(stage.name, 0.0) + stage.seconds
    return seconds

"""The size curves of an experiment: win rate against the base model, held-out loss, benchmarks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Literal

from handpicked.records import Verdict
from handpicked.results.compared import worths
from handpicked.results.facts import ArmFacts, BenchFacts
from handpicked.results.sections.arms import SizeCurve, SizeMeasure
from handpicked.statistics.seeds import Values
from handpicked.statistics.size_curve import Say, sentence, size_curve

Groups = Mapping[str, Sequence[ArmFacts]]


def size_curves(
    curves: Sequence[Sequence[str]],
    groups: Groups,
    losses: Mapping[str, Mapping[str, float | None]],
    verdicts: Sequence[Verdict],
    benchmarks: Sequence[BenchFacts] = (),
) -> tuple[SizeCurve, ...]:
    """One entry a family and base model: its ``measures``, each with points, the best and the
    smallest size that is enough.

    ``curves`` are the arms of each, ``groups`` the models of every arm, ``verdicts`` those of one judge.
    """
    return tuple(_entry(curve, groups, losses, verdicts, benchmarks) for curve in curves)


def _entry(
    curve: Sequence[str],
    groups: Groups,
    losses: Mapping[str, Mapping[str, float | None]],
    verdicts: Sequence[Verdict],
    benchmarks: Sequence[BenchFacts],
) -> SizeCurve:
    first = groups[curve[0]][0]
    untouched = [
        m.name for members in groups.values() for m in members if (m.by, m.base) == ("none", first.base)
    ]
    members = {name: [arm.name for arm in groups[name]] for name in curve}
    by_win: dict[str, list[Values]] = {
        name: [w for m in own if (w := _against(m, untouched, verdicts))] for name, own in members.items()
    }
    by_loss: dict[str, list[Values]] = {
        name: [losses[m] for m in own if losses.get(m)] for name, own in members.items()
    }
    rows = {name: groups[name][0].rows for name in curve}
    family = first.family or first.name
    found = [
        _measure("win rate against the base model", by_win, rows, "high", _share, _points, family),
        _measure("held-out loss", by_loss, rows, "low", _number, _number, family),
        *(_of_benchmark(name, members, rows, benchmarks, family) for name in _benchmarks(benchmarks)),
    ]
    return SizeCurve(family, first.base, tuple(part for part in found if part is not None))


def _benchmarks(facts: Sequence[BenchFacts]) -> list[str]:
    """Those whose score is the mean over documents: of one that weighs its parts
    otherwise, documents do not show it.
    """
    plain: dict[str, bool] = {}
    for fact in facts:
        same = (
            bool(fact.values)
            and fact.value is not None
            and abs(fmean(fact.values.values()) - fact.value) < 1e-6
        )
        plain[fact.benchmark] = plain.get(fact.benchmark, True) and same
    return [name for name, is_mean in plain.items() if is_mean]


def _of_benchmark(
    name: str,
    members: Mapping[str, Sequence[str]],
    rows: Mapping[str, int],
    facts: Sequence[BenchFacts],
    family: str,
) -> SizeMeasure | None:
    by_model = {fact.arm: fact for fact in facts if fact.benchmark == name}
    better: Literal["high", "low"] = "high" if next(iter(by_model.values())).higher_is_better else "low"
    values = {arm: [by_model[m].values for m in own if m in by_model] for arm, own in members.items()}
    return _measure(name, values, rows, better, _number, _number, family)


def _measure(
    name: str,
    values: Mapping[str, Sequence[Values]],
    rows: Mapping[str, int],
    better: Literal["high", "low"],
    say: Say,
    gap: Say,
    family: str,
) -> SizeMeasure | None:
    found = size_curve(values, rows, better, share=name.startswith("win rate"))
    if found is None:
        return None
    return SizeMeasure(
        name=name,
        better=better,
        sentence=sentence(found, family, name, say, gap),
        points=found.points,
        best=found.best,
        smallest=found.smallest,
        deficit=found.deficit,
    )


def _against(model: str, untouched: Sequence[str], verdicts: Sequence[Verdict]) -> dict[str, float | None]:
    """What the verdicts of a model and the untouched one are worth to the model, by prompt."""
    mine = worths([v for v in verdicts if v.a == model and v.b in untouched])
    theirs = worths([v for v in verdicts if v.b == model and v.a in untouched])
    return {**mine, **{prompt: None if value is None else 1 - value for prompt, value in theirs.items()}}


def _share(value: float | None) -> str:
    return "no value" if value is None else f"{value:.0%}"


def _points(value: float | None) -> str:
    return "no value" if value is None else f"{100 * value:.0f} points"


def _number(value: float | None) -> str:
    return "no value" if value is None else f"{value:.3f}"

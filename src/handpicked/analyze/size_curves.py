"""The size curves of an experiment, by every measure there is: win rate against the untouched model, reference loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal

from handpicked.analyze.compared import worths
from handpicked.analyze.facts import ArmFacts
from handpicked.analyze.seeds import Values
from handpicked.analyze.size_curve import sentence, size_curve
from handpicked.records import Verdict

Json = dict[str, Any]
Groups = Mapping[str, Sequence[ArmFacts]]


def size_curves(
    curves: Sequence[Sequence[str]],
    groups: Groups,
    losses: Mapping[str, Mapping[str, float | None]],
    verdicts: Sequence[Verdict],
) -> list[Json]:
    """One entry a family and base model: its ``measures``, each with points, the best and the smallest size that is enough.

    ``curves`` are the arms of each, ``groups`` the models of every arm, ``verdicts`` those of one judge.
    """
    return [_entry(curve, groups, losses, verdicts) for curve in curves]


def _entry(
    curve: Sequence[str],
    groups: Groups,
    losses: Mapping[str, Mapping[str, float | None]],
    verdicts: Sequence[Verdict],
) -> Json:
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
        _measure("win rate against the untouched model", by_win, rows, "high", _points, family),
        _measure("reference loss", by_loss, rows, "low", _nats, family),
    ]
    return {"family": family, "base": first.base, "measures": [part for part in found if part is not None]}


def _measure(
    name: str,
    values: Mapping[str, Sequence[Values]],
    rows: Mapping[str, int],
    better: Literal["high", "low"],
    say: Callable[[float | None], str],
    family: str,
) -> Json | None:
    found = size_curve(values, rows, better, share=better == "high")
    if found is None:
        return None
    return {"name": name, "better": better, "sentence": sentence(found, family, name, say), **asdict(found)}


def _against(model: str, untouched: Sequence[str], verdicts: Sequence[Verdict]) -> dict[str, float | None]:
    """What the verdicts of a model and the untouched one are worth to the model, by prompt."""
    mine = worths([v for v in verdicts if v.a == model and v.b in untouched])
    theirs = worths([v for v in verdicts if v.b == model and v.a in untouched])
    return {**mine, **{prompt: None if value is None else 1 - value for prompt, value in theirs.items()}}


def _points(value: float | None) -> str:
    return "no value" if value is None else f"{100 * value:.0f}%"


def _nats(value: float | None) -> str:
    return "no value" if value is None else f"{value:.3f}"

"""Everything that a set of verdicts says, judge by judge and pair of models by pair of models, as plain JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from handpicked.records import Pair, Verdict
from handpicked.statistics.bradley_terry import bradley_terry
from handpicked.statistics.compare import compare
from handpicked.statistics.health import health
from handpicked.statistics.length_control import (
    Controlled,
    by_length,
    controlled_json,
    length_controlled,
    style_controlled,
)
from handpicked.statistics.power import power
from handpicked.statistics.win_rate import (
    Rule,
    adjusted_win_rate,
    by_group,
    counts,
    has_probabilities,
    share_won,
    standard_error,
    winning_score,
    worth,
)

RULES: tuple[Rule, ...] = ("strict", "summed")


def judgements(verdicts: Sequence[Verdict], pairs: Sequence[Pair] = ()) -> list[dict[str, Any]]:
    """One entry a judge: its health, then every two models that met, and a ranking where there are three or more.

    Outcomes are from the side of ``a``. Estimates are 95% intervals; each function of ``analyze`` cites its source.
    ``win_rate`` is wins plus half the ties; ``soft`` is the same of the judge's probabilities, ``None`` where it
    gives none. ``pairs`` are the answers that were judged, where they are known: without them style cannot be
    controlled.
    """
    return [
        _judge(name, [v for v in verdicts if v.judge == name], pairs)
        for name in sorted({v.judge for v in verdicts})
    ]


def _judge(name: str, verdicts: Sequence[Verdict], pairs: Sequence[Pair]) -> dict[str, Any]:
    met = sorted({(v.a, v.b) for v in verdicts})
    models = {model for pair in met for model in pair}
    tests = {(test.a, test.b): test for test in compare(verdicts)}
    comparisons = [
        {
            "a": a,
            "b": b,
            **_comparison(
                [v for v in verdicts if (v.a, v.b) == (a, b)], [p for p in pairs if (p.a, p.b) == (a, b)]
            ),
            "power": asdict(
                power(
                    [v for v in verdicts if (v.a, v.b) == (a, b)],
                    comparisons=max(1, sum(test.p_value is not None for test in tests.values())),
                    corrected=tests[a, b].adjusted,
                )
            ),
            "test": asdict(tests[a, b]),
        }
        for a, b in met
    ]
    ranking = {model: asdict(e) for model, e in bradley_terry(verdicts).items()} if len(models) > 2 else None
    return {"judge": name, "health": asdict(health(verdicts)), "comparisons": comparisons, "ranking": ranking}


def _comparison(verdicts: Sequence[Verdict], pairs: Sequence[Pair]) -> dict[str, Any]:
    return {
        **_group(verdicts, pairs),
        "test_sets": _groups(by_group(verdicts, "test_set"), pairs),
        "categories": _groups(by_group(verdicts, "category"), pairs),
    }


def _groups(groups: Mapping[str, Sequence[Verdict]], pairs: Sequence[Pair]) -> dict[str, Any]:
    return {name: _group(groups[name], pairs) for name in sorted(groups)} if len(groups) > 1 else {}


def _group(verdicts: Sequence[Verdict], pairs: Sequence[Pair]) -> dict[str, Any]:
    return {
        **{rule: _rule(verdicts, rule) for rule in RULES},
        "soft": _soft(verdicts) if has_probabilities(verdicts) else None,
        "length_controlled": _control(length_controlled(verdicts)),
        "length_controlled_soft": _control(length_controlled(verdicts, "soft"))
        if _graded(verdicts)
        else None,
        "style_controlled": _control(style_controlled(verdicts, pairs)) if pairs else None,
        "by_length": {name: asdict(found) for name, found in by_length(verdicts).items()},
    }


def _graded(verdicts: Sequence[Verdict]) -> bool:
    """Whether every verdict that was read has a probability, and not all of them are 0, a half or 1."""
    values = {worth(v, "soft") for v in verdicts if v.strict != "unparsed"}
    return bool(values) and None not in values and not values <= {0.0, 0.5, 1.0}


def _control(found: Controlled) -> dict[str, Any]:
    effects = {name: asdict(effect) for name, effect in found.effects.items()}
    return {"win_rate": controlled_json(found), "effects": effects}


def _rule(verdicts: Sequence[Verdict], rule: Rule) -> dict[str, Any]:
    return {
        "counts": asdict(counts(verdicts, rule)),
        "winning_score": asdict(winning_score(verdicts, rule)),
        "share_won": asdict(share_won(verdicts, rule)),
        "win_rate": asdict(adjusted_win_rate(verdicts, rule)),
        "standard_error": standard_error(verdicts, rule),
    }


def _soft(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    return {
        "win_rate": asdict(adjusted_win_rate(verdicts, "soft")),
        "standard_error": standard_error(verdicts, "soft"),
    }

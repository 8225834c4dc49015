"""``report.md``: the answer and its figures as plain tables, for a pull request or a terminal."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from handpicked.report.control import control_note, control_rows, equal_text, group_rows, near_note
from handpicked.report.page import headline_comparisons
from handpicked.report.selected import scored_rows
from handpicked.report.selected_tables import selected_tables
from handpicked.report.text import (
    compact,
    compact_percent,
    duration,
    number,
    percent,
    percent_interval,
    points,
    points_interval,
    signed,
    signed_interval,
    signed_points,
    visible,
)

Json = Mapping[str, Any]
Rows = Sequence[Sequence[str]]


def render_markdown(results: Json) -> str:
    """The short report of one run as Markdown."""
    parts = [f"# {_plain(results['name'])}"]
    if results["why"]:
        parts.append(f"*Asked:* {_plain(results['why'])}")
    parts += [f"**{_plain(results['answer']['headline'])}**", _plain(results["answer"]["sentence"])]
    parts.append(_plain(results["answer"]["by_loss"]))
    parts.append(f"*How sure:* {_plain(results['answer']['certainty'])}")
    parts += [f"> **{_plain(item['title'])}.** {_plain(item['text'])}" for item in results["banners"]]
    parts += [
        _comparisons(results),
        _soft(results),
        _control(results),
        _people(results),
        _sizes(results),
        _seeds(results),
        _arms(results),
        _training(results),
        _benchmarks(results),
        *(_table(*one) for one in selected_tables(results)),
    ]
    parts.append(_stages(results))
    return "\n\n".join(part for part in parts if part) + "\n"


def _comparisons(results: Json) -> str:
    rows = [
        [
            f"{c['a']} vs {c['b']}",
            c["judge"],
            c["test_set"],
            *(str(c["strict"]["counts"][outcome]) for outcome in ("win", "tie", "lose")),
            percent(c["strict"]["win_rate"]["value"]),
            percent_interval(c["strict"]["win_rate"]),
            equal_text(c["length_controlled"]),
            str(c["strict"]["win_rate"]["n"]),
            str(c["strict"]["win_rate"]["missing"]),
        ]
        for c in results["comparisons"]
    ]
    head = [
        "Comparison",
        "Judge",
        "Test set",
        "Win",
        "Tie",
        "Lose",
        "Win rate",
        "95%",
        "At equal length",
        "n",
        "Missing",
    ]
    return _table("Comparisons", head, rows, text_columns=3)


def _soft(results: Json) -> str:
    """The win rates of judges that give probabilities."""
    rows = [
        [
            f"{c['a']} vs {c['b']}",
            c["judge"],
            c["test_set"],
            points(c["soft"]["win_rate"]["value"]),
            points_interval(c["soft"]["win_rate"]).replace("+", ""),
            points(c["soft"]["standard_error"]),
            str(c["soft"]["win_rate"]["n"]),
        ]
        for c in results["comparisons"]
        if c.get("soft")
    ]
    head = ["Comparison", "Judge", "Test set", "Soft win rate", "95%", "Standard error", "n"]
    return _table("Soft win rates (points of 100)", head, rows, text_columns=3)


def _sizes(results: Json) -> str:
    """Size curves: their sentences, then every size."""
    found = [(curve, measure) for curve in results["size_curves"] for measure in curve["measures"]]
    rows = [
        [
            point["arm"],
            measure["name"],
            number(point["rows"]),
            number(point["value"]["value"], 3),
            f"{number(point['value']['low'], 3)} to {number(point['value']['high'], 3)}",
            signed((point["to_best"] or {}).get("value")),
            signed_interval(point["to_best"]),
            "yes" if point["enough"] else "no",
        ]
        for _, measure in found
        for point in measure["points"]
    ]
    head = ["Arm", "Measure", "Rows", "Value", "95%", "To the best", "Simultaneous 95%", "Enough"]
    said = "\n\n".join(_plain(measure["sentence"]) for _, measure in found)
    table = _table("Sizes", head, rows, text_columns=2)
    return f"{table}\n\n{said}" if table else ""


def _seeds(results: Json) -> str:
    rows = [
        [
            one["a"],
            one["b"],
            c["judge"],
            percent(one["win_rate"]["value"]),
            percent_interval(one["win_rate"]),
            str(one["win_rate"]["n"]),
        ]
        for c in results["comparisons"]
        if c["test_set"] == "all"
        for one in c.get("seeds", ())
    ]
    return _table(
        "Each seed by itself", ["Model", "Against", "Judge", "Win rate", "95%", "n"], rows, text_columns=3
    )


def _control(results: Json) -> str:
    """The win rates with length and style held equal, over all prompts and by group."""
    everything = [("", "all", c) for c in headline_comparisons(results)]
    rows = [
        [
            f"{c.get('a', results['candidate'])} vs {c['b']}",
            f"{kind} {name}".strip(),
            label,
            percent(estimate["value"]),
            percent_interval(estimate),
            str(estimate["n"]),
            _plain(control_note(estimate)),
        ]
        for kind, name, c in [*everything, *group_rows(results, [c for _, _, c in everything])]
        for label, estimate in control_rows(c)
    ]
    head = ["Comparison", "Prompts", "Win rate", "", "95%", "n", "Note"]
    table = _table("Length and style", head, rows, text_columns=3)
    near = [f"{c['a']} vs {c['b']}: {said}." for _, _, c in everything if (said := near_note(c))]
    return "\n\n".join([table, *map(_plain, near)]) if table else ""


def _people(results: Json) -> str:
    people = results.get("people")
    if not people:
        return ""
    rows = [
        [
            pair["one"],
            pair["other"],
            number(pair["kappa"]["value"], 2),
            signed_interval(pair["kappa"], 2),
            percent(pair["agreement"]["value"]),
            str(pair["agreement"]["n"]),
        ]
        for pair in people["agreement"]
    ]
    head = ["One", "Other", "Kappa", "95%", "Same verdict", "n"]
    reasons = ", ".join(f"{tag} {n}" for tag, n in people["reasons"].items() if n) or "none"
    left_out = f", {people['stale']} left out because their answers have changed" if people["stale"] else ""
    said = (
        f"{people['votes']} votes on {people['pairs']} pairs by {len(people['annotators'])} people"
        f"{left_out}. Reasons: {reasons}."
    )
    return "\n\n".join(
        part for part in (_table("People and judge", head, rows, text_columns=2), said) if part
    )


def _arms(results: Json) -> str:
    rows = [
        [
            arm["name"],
            arm["by"],
            number(arm["rows"]),
            number((arm["lengths"]["quantiles"] or {}).get("p50")),
            number(arm["training"]["tokens"] if arm["training"] else None),
            number((arm["loss"] or {}).get("value"), 3),
            signed((arm["loss_above_base"] or {}).get("value")),
            signed_interval(arm["loss_above_base"]),
            number(arm["answer_tokens"]["value"]),
            percent(arm["unfinished"]["value"]),
        ]
        for arm in results["arms"]
    ]
    head = [
        "Arm",
        "By",
        "Rows",
        "Median length",
        "Training tokens",
        "Loss",
        "To base",
        "95%",
        "Tokens an answer",
        "At the limit",
    ]
    said = [_plain(sentence) for arm in results["arms"] if (sentence := scored_rows(arm))]
    return "\n\n".join([_table("Arms", head, rows, text_columns=2), *said])


def _training(results: Json) -> str:
    """What training changed, and what came of it."""
    rows = [
        [
            arm["name"],
            number(arm["training"]["steps"]),
            number(arm["training"]["warmup_steps"]),
            compact(arm["training"]["learning_rate"]),
            arm["training"]["rate_origin"],
            compact(arm["training"]["rate_sum"]),
            compact(arm["training"]["weight_change"]),
            compact_percent(arm["training"]["weight_change_relative"]),
            points(arm["training"]["token_accuracy"]),
            points(arm["training"]["token_accuracy_last_pass"]),
            percent(arm["finished"]["value"]),
        ]
        for arm in results["arms"]
        if arm["training"]
    ]
    head = [
        "Arm",
        "Steps",
        "Warm-up",
        "Peak learning rate",
        "",
        "Sum of rates",
        "Weights moved",
        "Of their norm",
    ]
    head += ["Token accuracy", "In the last pass", "Answers finished"]
    return _table("Training", head, rows, text_columns=1)


def _benchmarks(results: Json) -> str:
    rows = [
        [
            row["benchmark"],
            cell["arm"],
            "broke off" if cell["failed"] else points(cell["score"]["value"]),
            points_interval(cell["score"]).replace("+", ""),
            signed_points((cell["to_base"] or {}).get("value")),
            points_interval(cell["to_base"]),
            signed_points((cell["to_full"] or {}).get("value")),
            points_interval(cell["to_full"]),
            number((cell["characters"] or {}).get("value")),
            number(cell["score"]["n"]),
        ]
        for row in results["benchmarks"]
        for cell in row["arms"]
    ]
    head = ["Benchmark", "Arm", "Score", "95%", "To base", "95%", "To full", "95%", "Characters", "n"]
    return _table("Benchmarks", head, rows, text_columns=2)


def _stages(results: Json) -> str:
    rows = [
        [f"{stage['name']} {stage['arm']}".strip(), duration(stage["seconds"])] for stage in results["stages"]
    ]
    return _table("Time", ["Stage", "Time"], rows, text_columns=1)


def _table(title: str, head: Sequence[str], rows: Rows, text_columns: int) -> str:
    if not rows:
        return ""
    rule = ["---" if column < text_columns else "--:" for column in range(len(head))]
    lines = [head, rule, *([_plain(cell) for cell in row] for row in rows)]
    return f"## {title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _plain(text: str) -> str:
    """Foreign text that Markdown and HTML leave alone."""
    flat = " ".join(visible(text).split())
    return re.sub(r"([\\`*_\[\]<>|&])", r"\\\1", flat)

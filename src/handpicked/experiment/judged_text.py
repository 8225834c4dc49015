"""Judgements for a terminal: a sentence that says the result, then the tables behind it."""

from __future__ import annotations

from handpicked.pages.table import text
from handpicked.pages.text import points, points_interval
from handpicked.report.judged_tables import (
    comparisons,
    grade_table,
    health_table,
    held_equal_notes,
    held_equal_table,
    rules_table,
)
from handpicked.results.answer import decide
from handpicked.results.judgements import JudgeFigures, Judgements
from handpicked.results.sections.comparisons import ArmComparison
from handpicked.statistics.compare import MIN_PAIRS
from handpicked.statistics.health import Health
from handpicked.votes import summary as people


def text_of(results: Judgements) -> str:
    """The judgements for reading in a terminal."""
    parts = ["\n".join(sentences(results))]
    parts += [text(grade_table(judge, rows)) for judge, rows in results.grades.items()]
    for judge in results.judges:
        parts += [text(rules_table(comparison)) for comparison in judge.comparisons]
        notes = [f"  {note}" for note in held_equal_notes(judge)]
        parts.append("\n".join([text(held_equal_table(judge)), *notes]).strip("\n"))
        parts.append("\n".join([text(health_table(judge)), *_unread(judge.health)]))
    if results.people is not None:
        parts.append(people.text_of(results.people))
    return "\n\n".join(part for part in parts if part)


def sentences(results: Judgements) -> list[str]:
    """What came of it: one sentence for every two models that a judge compared, else on the grades."""
    found = [
        sentence(one, judge)
        for judge in results.judges
        for one in comparisons(judge)
        if one.test_set == "all"
    ]
    for judge, grades in results.grades.items():
        if grades and grades[0].grade.value is not None:
            best = grades[0]
            found.append(
                f"{best.model} has the highest mean grade by {judge}: "
                f"{best.grade.value:.3f}, n = {best.grade.n}."
            )
    return found


def sentence(one: ArmComparison, judge: JudgeFigures) -> str:
    """The result of one comparison, and whether the judge that made it can be believed."""
    rate, by = one.strict.win_rate, f"by {one.judge}"
    if rate.value is None:
        return f"No winner is named between {one.a} and {one.b}: no verdict {by} could be read."
    interval = f", 95% {points_interval(rate).replace('+', '')}" if rate.low is not None else ""
    figures = f"win rate of {one.a} {points(rate.value)}%{interval}, n = {rate.n}, {by}"
    health = judge.health
    if not health.healthy and not _unchecked(health):
        return (
            f"No winner is named between {one.a} and {one.b}, because the judge cannot be trusted: "
            f"{'; '.join(health.reasons)} ({figures})."
        )
    said = {
        "beaten": f"{one.a} beats {one.b}",
        "lost": f"{one.b} beats {one.a}",
        "undecided": f"Neither {one.a} nor {one.b} is shown to be better",
        "thin": f"No winner is named between {one.a} and {one.b}: fewer than {MIN_PAIRS} pairs were judged",
    }[decide(one)]
    doubt = f" The judge cannot be checked: {'; '.join(health.reasons)}." if not health.healthy else ""
    return f"{said} ({figures}).{doubt}"


def _unchecked(health: Health) -> bool:
    """Whether nothing is wrong with the judge but that its verdicts cannot show its habits."""
    return len(health.reasons) == 1 and not health.first_position.n


def _unread(health: Health) -> list[str]:
    """Why replies of the judge could not be read, and one of them."""
    lines = [f"  {count} replies not parsed: {reason}" for reason, count in health.unparsed_reasons.items()]
    if health.unparsed_samples:
        lines.append(f"  for example: {' '.join(health.unparsed_samples[0].split())[:100]}")
    return lines

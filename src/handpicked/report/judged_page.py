"""``report.html`` of judgements without a run: the result, the judge's health, every pair to read."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from handpicked._version import __version__
from handpicked.pages.shell import shell
from handpicked.pages.table import Table
from handpicked.records import Pair, Verdict
from handpicked.report.judged_tables import (
    comparisons,
    grade_table,
    health_table,
    held_equal_notes,
    held_equal_table,
    rules_table,
)
from handpicked.report.page import environment
from handpicked.report.tables import outcome_table, people_table
from handpicked.results.judgements import JudgeFigures, Judgements
from handpicked.results.samples import MOST_CHARACTERS
from handpicked.results.sections.comparisons import ArmComparison


@dataclass(frozen=True)
class JudgePart:
    """One judge: its health, and every two models that it compared. ``unread`` are the reasons why replies
    could not be read, with how many had each.
    """

    name: str
    healthy: bool
    reasons: tuple[str, ...]
    unread: tuple[tuple[str, int], ...]
    health: Table
    comparisons: tuple[ArmComparison, ...]
    rules: tuple[Table, ...]
    held_equal: Table
    notes: tuple[str, ...]


@dataclass(frozen=True)
class ReadPair:
    """One pair with the verdicts of every judge on it."""

    pair: Pair
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True)
class JudgedPage:
    """What the page says. ``pairs`` are those that are shown, of ``of``; ``said`` notes what was read."""

    handpicked: str
    headline: str
    sentences: tuple[str, ...]
    said: tuple[str, ...]
    judges: tuple[JudgePart, ...]
    grades: tuple[Table, ...]
    people: tuple[Table, ...]
    pairs: tuple[ReadPair, ...]
    of: int


def render_judged(
    results: Judgements,
    pairs: Sequence[Pair],
    verdicts: Sequence[Verdict],
    sentences: Sequence[str],
    said: Sequence[str],
) -> str:
    """The page of judgements. ``sentences`` say the result, ``said`` what was read; the same bytes for the
    same judgements. Pairs are shown in their order, up to ``MOST_CHARACTERS`` in all.
    """
    page = JudgedPage(
        __version__,
        _headline(sentences[0]) if sentences else "Nothing can be said yet.",
        tuple(sentences),
        tuple(said),
        tuple(_judge(one) for one in results.judges),
        tuple(grade_table(judge, rows) for judge, rows in results.grades.items()),
        () if results.people is None else (outcome_table(results.people), people_table(results.people)),
        tuple(_shown(pairs, verdicts)),
        len(pairs),
    )
    return environment().get_template("judged.html.j2").render(page=page, **shell())


def _judge(one: JudgeFigures) -> JudgePart:
    return JudgePart(
        one.judge,
        one.health.healthy,
        tuple(one.health.reasons),
        tuple(one.health.unparsed_reasons.items()),
        health_table(one),
        tuple(found for found in comparisons(one) if found.test_set == "all"),
        tuple(map(rules_table, one.comparisons)),
        held_equal_table(one),
        tuple(held_equal_notes(one)),
    )


def _shown(pairs: Sequence[Pair], verdicts: Sequence[Verdict]) -> Iterator[ReadPair]:
    """The pairs up to ``MOST_CHARACTERS``. Where one prompt has several of the same models, each takes the
    next verdict of every judge, as they were judged.
    """
    waiting: dict[tuple[str, str, str], dict[str, deque[Verdict]]] = {}
    for verdict in verdicts:
        by_judge = waiting.setdefault((verdict.prompt_id, verdict.a, verdict.b), {})
        by_judge.setdefault(verdict.judge, deque()).append(verdict)
    room = MOST_CHARACTERS
    for place, pair in enumerate(pairs):
        queues = waiting.get((pair.prompt_id, pair.a, pair.b), {}).values()
        judged = tuple(queue.popleft() for queue in queues if queue)
        texts = [pair.prompt, pair.answer_a, pair.answer_b, pair.reference or ""]
        room -= sum(map(len, texts)) + sum(len(review.raw) for one in judged for review in one.reviews)
        if room < 0 and place:
            return
        yield ReadPair(pair, judged)


def _headline(sentence: str) -> str:
    """A result without its figures and reasons, which are below it."""
    return (
        f"{sentence.partition(' (')[0].partition(', because')[0].partition(': no verdict')[0].rstrip('.')}."
    )

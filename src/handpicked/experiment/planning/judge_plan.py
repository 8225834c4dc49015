"""What judging two files of answers, or labelled pairs, will take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from handpicked.config import JudgeSettings
from handpicked.endpoint.cost import REPLY_SECONDS, Expense
from handpicked.endpoint.cost import estimate as expense_of
from handpicked.endpoint.request import key_of
from handpicked.errors import ConfigError, HandpickedError
from handpicked.judges import judge_label, load_judge, runs_here
from handpicked.judges.ask import all_requests
from handpicked.models.served.mistakes import endpoint_mistakes, missing_server
from handpicked.records import Pair


@dataclass(frozen=True)
class PlannedJudge:
    """One judge: how many pairs it can judge, what it sends at most, and what is missing for it here.

    ``hours`` are estimated from ``REPLY_SECONDS``, ``None`` for a model on this machine; dollars are ``None`` without
    prices.
    """

    judge: str
    pairs: int
    expense: Expense | None
    hours: float | None
    missing: str


@dataclass(frozen=True)
class JudgePlan:
    """What every judge takes for ``pairs`` pairs, of which ``referenced`` have a reference."""

    pairs: int
    referenced: int
    judges: tuple[PlannedJudge, ...]

    @property
    def lines(self) -> list[str]:
        """For a terminal."""
        return [
            f"{self.pairs:,} pairs, {self.referenced:,} of them with a reference",
            *map(_line, self.judges),
        ]


def judge_plan(pairs: Sequence[Pair], judges: Sequence[JudgeSettings]) -> JudgePlan:
    """The plan of judging ``pairs``. Sends nothing and needs no key.

    Raises ConfigError for a judge that there is not, or that lacks its model.
    """
    referenced = sum(bool(pair.reference and pair.reference.strip()) for pair in pairs)
    return JudgePlan(len(pairs), referenced, tuple(_planned(pairs, referenced, one) for one in judges))


def _planned(pairs: Sequence[Pair], referenced: int, settings: JudgeSettings) -> PlannedJudge:
    folder = load_judge(settings.name)
    if not folder.asks:
        missing = "" if referenced else "no pair has a reference to compare with (--references FILE)"
        return PlannedJudge(folder.name, referenced, None, None, missing)
    if settings.model is None:
        raise ConfigError(f"judge '{settings.name}' asks a model; say which one with --model.")
    if found := [said for _, said in endpoint_mistakes(settings, settings, settings.batch)]:
        raise ConfigError(*found)
    requests = all_requests(pairs, folder)
    label = judge_label(folder, settings)
    if runs_here(settings) or settings.server is not None:
        return PlannedJudge(label, len(requests) // 2, None, None, missing_server(settings))
    hours = len(requests) * REPLY_SECONDS / settings.concurrency / 3600
    return PlannedJudge(label, len(requests) // 2, expense_of(requests, settings), hours, _missing(settings))


def _missing(settings: JudgeSettings) -> str:
    try:
        key_of(settings)
    except HandpickedError as error:
        return str(error)
    return ""


def _line(one: PlannedJudge) -> str:
    if one.expense is None:
        takes = f"{one.pairs:,} pairs, on this machine, free"
    else:
        cost = "cost unknown: give --price-in and --price-out"
        if one.expense.low is not None and one.expense.high is not None:
            cost = f"{one.expense.low:,.2f} to {one.expense.high:,.2f} US dollars"
        minutes = 60 * (one.hours or 0)
        takes = (
            f"{one.expense.requests:,} requests, both orders of {one.pairs:,} pairs; some "
            f"{one.expense.prompt_tokens:,} prompt tokens and at most "
            f"{one.expense.reply_tokens:,} reply tokens; "
            f"{cost}; some {max(1, round(minutes)):,} min at {REPLY_SECONDS:g} s a reply"
        )
    return f"judge {one.judge}: {takes}" + (f". Missing: {one.missing}" if one.missing else "")

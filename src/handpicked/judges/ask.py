"""Makes the requests of a batch of pairs, and reviews from the replies."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from handpicked.config import JudgeSettings
from handpicked.endpoint import Reply, Request, complete_batched
from handpicked.judges.folder import JudgeFolder
from handpicked.judges.local import local_replies, runs_here
from handpicked.judges.outcome import mirrored
from handpicked.judges.parse import Reading, preference, read_grade, read_letters, read_scores, read_verdict
from handpicked.judges.prompt import cut, request_for
from handpicked.models.served.replies import replies_from
from handpicked.progress import Progress
from handpicked.records import Pair, Review

ORDERS: tuple[Literal["ab", "ba"], ...] = ("ab", "ba")


def model_reviews(
    pairs: Sequence[Pair],
    judge: JudgeFolder,
    settings: JudgeSettings,
    cache: Path,
    batches: Path,
    progress: Progress,
    folder: Path,
) -> list[tuple[Review, ...]]:
    """Two reviews a pair. A pair that needs a reference and has none is not judged, and unparsed.

    ``batches`` is the folder of batch files, for settings that ask for them; the log of a server that is
    started goes to ``folder``.
    """
    requests = all_requests(pairs, judge)
    label = f"judge {judge.name}"
    if runs_here(settings):
        replies = local_replies(requests, judge, settings, progress, label)
    elif settings.batch:
        replies = complete_batched(requests, settings, cache, batches)
    else:
        with replies_from(settings.model, settings, folder) as complete:
            replies = complete(requests, settings, cache, progress, label=label)
    answers = iter(zip(replies[::2], replies[1::2], strict=True))
    nothing = "the prompt has no reference answer, which this judge must be shown"
    return [
        reviews_of(pair, judge, next(answers))
        if _shown(pair, judge)
        else tuple(Review(order, None, "", reason=nothing) for order in ORDERS)
        for pair in pairs
    ]


def all_requests(pairs: Sequence[Pair], judge: JudgeFolder) -> list[Request]:
    """Two requests for every pair that can be shown, one after the other: what a batch file is written from."""
    return [request for pair in pairs if _shown(pair, judge) for request in requests_of(pair, judge)]


def _shown(pair: Pair, judge: JudgeFolder) -> bool:
    return "{reference}" not in judge.template or bool(pair.reference)


def requests_of(pair: Pair, judge: JudgeFolder) -> tuple[Request, Request]:
    """Both orders of the pair; for a judge that grades answers one by one, both answers."""
    a, b, _ = cut(pair.answer_a, pair.answer_b, judge.answer_chars)
    graded = judge.reads == "grade"
    shown = (
        ({"answer": a}, {"answer": b}) if graded else ({"first": a, "second": b}, {"first": b, "second": a})
    )
    first, second = (request_for(judge, pair.prompt, answers, pair.reference) for answers in shown)
    return first, second


def reviews_of(pair: Pair, judge: JudgeFolder, replies: tuple[Reply, Reply]) -> tuple[Review, ...]:
    """The replies to ``requests_of`` as reviews in both orders."""
    truncated = max(len(pair.answer_a), len(pair.answer_b)) > judge.answer_chars
    if judge.reads == "grade":
        review = _graded(judge, replies, truncated)
        return review, mirrored(review, "ba")
    return tuple(
        _review(order, judge, reply, truncated) for order, reply in zip(ORDERS, replies, strict=True)
    )


def _review(order: Literal["ab", "ba"], judge: JudgeFolder, reply: Reply, truncated: bool) -> Review:
    reading = _read(judge, reply)
    raw = reply.text or ""
    if judge.reads == "letters" and reply.logprobs:
        raw = json.dumps({"text": raw, "logprobs": reply.logprobs[0]}, ensure_ascii=False)
    return Review(
        order,
        reading.preferred,
        raw,
        reading.scores,
        _reason(reading.reason, reply, judge),
        reply.seconds,
        reply.cost,
        truncated,
        reply.lost,
    )


def _read(judge: JudgeFolder, reply: Reply) -> Reading:
    if reply.text is None:
        return Reading(None, reason=reply.reason)
    if judge.reads == "letters":
        return read_letters(reply.logprobs, judge)
    if not reply.text.strip():
        return Reading(None, reason="an empty reply")
    if judge.reads == "verdict":
        return read_verdict(reply.text, judge)
    return read_scores(reply.text, judge.low, judge.high, judge.tie_margin)


def _reason(reason: str | None, reply: Reply, judge: JudgeFolder) -> str | None:
    if reason is None or reply.finished or judge.reads == "letters":
        return reason
    return f"{reason} (the reply was cut at {judge.max_tokens} tokens)"


def _graded(judge: JudgeFolder, replies: tuple[Reply, Reply], truncated: bool) -> Review:
    grades, reasons = [], []
    for name, reply in zip("ab", replies, strict=True):
        grade, why = (None, reply.reason or "") if reply.text is None else read_grade(reply.text, judge)
        grades.append(grade)
        if grade is None:
            reasons.append(f"answer of {name}: {_reason(why, reply, judge)}")
    raw = json.dumps([reply.text for reply in replies], ensure_ascii=False)
    seconds = [reply.seconds for reply in replies if reply.seconds is not None]
    costs = [reply.cost for reply in replies if reply.cost is not None]
    a, b = grades
    return Review(
        "ab",
        None if a is None or b is None else preference(a, b, judge.tie_margin),
        raw,
        None if a is None or b is None else (a, b),
        "; ".join(reasons) or None,
        sum(seconds) if seconds else None,
        sum(costs) if costs else None,
        truncated,
        any(reply.lost for reply in replies),
    )

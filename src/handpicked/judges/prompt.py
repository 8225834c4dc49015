"""Makes the prompt of a judge: the template filled in, with the answers fenced and cut to a length."""

from __future__ import annotations

from collections.abc import Mapping

from handpicked.endpoint import Request
from handpicked.endpoint.template import fence, fill, shortened
from handpicked.judges.folder import JudgeFolder
from handpicked.records import Message


def cut(first: str, second: str, limit: int) -> tuple[str, str, bool]:
    """Both answers, cut to ``limit`` characters when either is longer, and whether they were.

    The beginning is kept and the cut is marked, so that a judge does not take it for the answer's own end.
    """
    if max(len(first), len(second)) <= limit:
        return first, second, False
    return shortened(first, limit), shortened(second, limit), True


def request_for(
    judge: JudgeFolder, prompt: str, answers: Mapping[str, str], reference: str | None
) -> Request:
    """The request that shows ``answers`` (``first`` and ``second``, or ``answer``) to the judge."""
    texts = dict(answers) | {"prompt": prompt, "reference": reference or ""}
    values = texts | {"criteria": judge.criteria, "fence": fence(*texts.values())}
    system = (Message("system", judge.system),) if judge.system else ()
    return Request(
        messages=(*system, Message("user", fill(judge.template, values))),
        max_tokens=judge.max_tokens,
        temperature=judge.temperature,
        top_logprobs=judge.top_logprobs,
    )

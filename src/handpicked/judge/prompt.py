"""What a judge is shown: the template filled in one pass, answers fenced and cut by one stated rule."""

from __future__ import annotations

import re
from collections.abc import Mapping

from handpicked.endpoint import Request
from handpicked.judge.folder import JudgeFolder
from handpicked.records import Message

SHORTEST_FENCE = 8
FIELD = re.compile(r"\{(\w+)\}")


def fence(*texts: str) -> str:
    """A run of ``=`` longer than any in the texts, so that no text can close its own fence or open another.

    It depends on the texts alone: equal pairs give equal prompts in every run.
    """
    runs = (run for text in texts if "=" in text for run in re.findall("=+", text))
    longest = max(map(len, runs), default=0)
    return "=" * max(SHORTEST_FENCE, longest + 1)


def cut(first: str, second: str, limit: int) -> tuple[str, str, bool]:
    """Both answers, cut to ``limit`` characters when either is longer, and whether they were.

    The beginning is kept and the cut is marked, so that a judge does not take it for the answer's own end.
    """
    if max(len(first), len(second)) <= limit:
        return first, second, False
    return _shortened(first, limit), _shortened(second, limit), True


def _shortened(text: str, limit: int) -> str:
    return (
        text if len(text) <= limit else f"{text[:limit]}\n[cut here after {limit} of {len(text)} characters]"
    )


def fill(template: str, values: Mapping[str, str]) -> str:
    """``{name}`` replaced by its value, in one pass: braces inside the values, or of other names, stay as
    they are.
    """
    return FIELD.sub(lambda match: values.get(match[1], match[0]), template)


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

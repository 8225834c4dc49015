"""Reading a judge's reply. Only the reply is read, never the answers; what is not clear is unparsed, with the
reason.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from handpicked.judge.folder import JudgeFolder
from handpicked.records import Preference

NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?![\w%]|\.\d)")
DIGIT = re.compile(r"\d")
OUT_OF = re.compile(r"(\d+(?:\.\d+)?)\s*(?:/|out of)\s*(\d+(?:\.\d+)?)\b", re.IGNORECASE)
NUMBERED = re.compile(r"\b(assistant|answer|response|model)\s*#?[12]\b", re.IGNORECASE)
LABEL = re.compile(
    r"\b(?:the|scores?|ratings?|grades?|points?|first|second|(?:assistants?|answers?|responses?|models?)(?:\s*\#?[12ab]\b)?|is|are|of"
    r"|for|and|vs)\b|[\s:=,;|/&*_`#\-–—().\[\]]",
    re.IGNORECASE,
)
PAIR_IN_PROSE = re.compile(
    rf"{NUMBER.pattern}(?:\s*(?:,|;|/|and|&|vs\.?|\s)\s*{NUMBER.pattern})+", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reply says of (first, second): the preferred position, or ``None`` and why not."""

    preferred: Preference | None
    scores: tuple[float, float] | None = None
    reason: str | None = None


def preference(first: float, second: float, margin: float = 0.0) -> Preference:
    """The higher one; a tie when they differ by at most ``margin``."""
    if abs(first - second) <= margin:
        return "tie"
    return "first" if first > second else "second"


def read_scores(reply: str, low: float = 1, high: float = 10, margin: float = 0.0) -> Reading:
    """Two scores on one line: the first line that holds scores and labels only; else two scores together in
    prose.

    ``8/10`` and ``8 out of 10`` (whatever ``high`` is) read as 8. One or three scores on the line, a score
    outside [low, high], or two lines that contradict each other make it unparsed.
    """
    text = _out_of(reply, high)
    found = [n for n in (_bare(line) for line in text.splitlines()) if len(n) > 1]
    if not found:
        found = [_numbers(match[0]) for line in text.splitlines() for match in PAIR_IN_PROSE.finditer(line)]
    if not found:
        return Reading(None, reason=_excerpt("no line with two scores", reply))
    if len(found[0]) != 2:
        return Reading(None, reason=_excerpt(f"{len(found[0])} scores where two belong", reply))
    if any(other != found[0] for other in found[1:] if len(other) == 2):
        return Reading(None, reason=_excerpt("two lines with different scores", reply))
    first, second = found[0]
    for score in (first, second):
        if not low <= score <= high:
            return Reading(None, reason=f"a score of {score:g} is outside {low:g} to {high:g}")
    return Reading(preference(first, second, margin), (first, second))


def _out_of(text: str, high: float) -> str:
    return OUT_OF.sub(lambda m: m[1] if float(m[2]) == high else m[0], text)


def _bare(line: str) -> list[float]:
    """The numbers of a line that has nothing but numbers and labels beside them; else none."""
    if not DIGIT.search(line):
        return []
    labelled = NUMBERED.sub(" ", line)
    return [] if LABEL.sub("", NUMBER.sub("", labelled)) else _numbers(labelled)


def _numbers(text: str) -> list[float]:
    return [float(number) for number in NUMBER.findall(text)]


def read_marked(reply: str, marker: str, pattern: str) -> tuple[str | None, str]:
    """What follows the marker at the start of a line (bold and quotes aside): (value, "") or (None, reason).

    Several equal ones are one. Where they differ, the one that closes the reply counts, because a reply may
    quote what it argues against; where none closes it, it is unparsed.
    """
    decoration = r"[\s*_`#>\"']*"
    line = re.compile(
        rf"^{decoration}{re.escape(marker)}{decoration}({pattern}){decoration}\.?{decoration}$",
        re.IGNORECASE,
    )
    lines = [part for part in reply.splitlines() if part.strip()]
    found = [(i, match[1].lower()) for i, part in enumerate(lines) if (match := line.match(part))]
    if not found:
        return None, _excerpt(f"no line '{marker} ...'", reply)
    if len({value for _, value in found}) > 1 and found[-1][0] != len(lines) - 1:
        return None, _excerpt(f"several different lines '{marker} ...'", reply)
    return found[-1][1], ""


def read_verdict(reply: str, judge: JudgeFolder) -> Reading:
    """The marked verdict: first, second or tie in the judge's own words."""
    words: dict[str, Preference] = {
        judge.answers.first.lower(): "first",
        judge.answers.second.lower(): "second",
    }
    if judge.answers.tie is not None:
        words[judge.answers.tie.lower()] = "tie"
    value, reason = read_marked(reply, judge.marker, "|".join(re.escape(word) for word in words))
    return Reading(None, reason=reason) if value is None else Reading(words[value])


def read_grade(reply: str, judge: JudgeFolder) -> tuple[float | None, str]:
    """The marked grade: (value, "") or (None, reason)."""
    value, reason = read_marked(_out_of(reply, judge.high), judge.marker, r"[-+]?\d+(?:\.\d+)?")
    if value is None:
        return None, reason
    grade = float(value)
    if not judge.low <= grade <= judge.high:
        return None, f"a grade of {grade:g} is outside {judge.low:g} to {judge.high:g}"
    return grade, ""


def read_letters(logprobs: Sequence[Mapping[str, float]] | None, judge: JudgeFolder) -> Reading:
    """The probabilities of the two letters at the first position of the reply, normalised to sum to 1.

    Spellings with blanks around the letter are added up. Unparsed when the endpoint gave no probabilities, or
    neither letter is among the most likely tokens.
    """
    if not logprobs:
        return Reading(None, reason="the endpoint gave no token probabilities")
    mass = {judge.answers.first: 0.0, judge.answers.second: 0.0}
    for token, logprob in logprobs[0].items():
        if token.strip() in mass:
            mass[token.strip()] += math.exp(logprob)
    total = sum(mass.values())
    if total <= 0:
        return Reading(None, reason=f"neither {' nor '.join(mass)} is among the most likely tokens")
    first, second = (value / total for value in mass.values())
    return Reading(preference(first, second, judge.tie_margin), (first, second))


def _excerpt(reason: str, reply: str) -> str:
    shown = " ".join(reply.split())
    return f"{reason}: {shown[:80]!r}{'...' if len(shown) > 80 else ''}" if shown else "an empty reply"

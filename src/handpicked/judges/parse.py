"""Reads a judge's reply; an unclear reply is unparsed, with the reason."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from handpicked.judges.folder import JudgeFolder
from handpicked.judges.spoken import nothing_said, spoken
from handpicked.records import Preference

NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?![\w%]|\.\d)")
DIGIT = re.compile(r"\d")
# Every pattern here is read in linear time: what repeats begins where a character before it rules out another
# beginning, or is bounded; no two repetitions of the same characters stand side by side.
OUT_OF = re.compile(
    r"(?<!\d)(\d{1,20}(?:\.\d{1,20})?)\s{0,20}(?:/|out of)\s{0,20}(\d{1,20}(?:\.\d{1,20})?)\b", re.IGNORECASE
)
NUMBERED = re.compile(r"\b(assistant|answer|response|model)\s*#?[12]\b", re.IGNORECASE)
LABEL = re.compile(
    r"\b(?:the|scores?|ratings?|grades?|points?|first|second|(?:assistants?|answers?|responses?|models?)(?:\s*\#?[12ab]\b)?|is|are|of"
    r"|for|and|vs)\b|[\s:=,;|/&*_`#\-–—().\[\]]",
    re.IGNORECASE,
)
PAIR_IN_PROSE = re.compile(
    rf"{NUMBER.pattern}(?:(?:\s{{0,20}}(?:,|;|/|and|&|vs\.?)\s{{0,20}}|\s{{1,20}}){NUMBER.pattern})+",
    re.IGNORECASE,
)
WHOSE = re.compile(
    r"\b(?:assistant|answer|response|model)s?\s*\#?(?P<mark>[12ab])\b|\b(?P<word>first|second)\b",
    re.IGNORECASE,
)
"""Whose score a label announces: ``Assistant 2``, ``second``."""
KEYS = (
    re.compile(r"(?:1|[^a-z]a|^a|first)$", re.IGNORECASE),
    re.compile(r"(?:2|[^a-z]b|^b|second)$", re.IGNORECASE),
)
"""How the names of the first and of the second score end in JSON: ``score_1``, ``assistant_b``, ``second``.
"""
OBJECT = re.compile(r"\{[^{}]*\}")
DECIMAL_COMMA = re.compile(r"(?<![\d.,])\d{1,2},\d{1,2}(?![\d.]|,\d)")


@dataclass(frozen=True, slots=True)
class Reading:
    """A reply's preference between (first, second): the position, or ``None`` and why."""

    preferred: Preference | None
    scores: tuple[float, float] | None = None
    reason: str | None = None


def preference(first: float, second: float, margin: float = 0.0) -> Preference:
    """The higher one; a tie when they differ by at most ``margin``."""
    if abs(first - second) <= margin:
        return "tie"
    return "first" if first > second else "second"


def read_scores(reply: str, low: float = 1, high: float = 10, margin: float = 0.0) -> Reading:
    """Two scores: in a JSON object; else on the first line that holds scores and labels only, or on two such
    lines with one score each; else together in prose.

    Thoughts before the reply are not read. ``8/10`` and ``8 out of 10`` read as 8 (for any ``high``), and
    ``8,5 6,5`` as 8.5 and 6.5. Labels say whose a score is (``Assistant 2: 6, Assistant 1: 8``). One or three
    scores on the line, a score outside [low, high], or two lines that contradict each other make it unparsed.
    """
    said = spoken(reply)
    if not said.strip():
        return Reading(None, reason=nothing_said(reply))
    lines = [_decimal_points(line) for line in _out_of(said, high).splitlines() if line.strip()]
    bare = [_bare(line) for line in lines]
    found = _objects(said) or [numbers for numbers in bare if len(numbers) > 1] or _one_a_line(lines, bare)
    if not found:
        found = [_numbers(match[0]) for line in lines for match in PAIR_IN_PROSE.finditer(line)]
    if not found:
        return Reading(None, reason=_excerpt("no line with two scores", said))
    if len(found[0]) != 2:
        return Reading(None, reason=_excerpt(f"{len(found[0])} scores instead of two", said))
    if any(other != found[0] for other in found[1:] if len(other) == 2):
        return Reading(None, reason=_excerpt("two lines with different scores", said))
    first, second = found[0]
    for score in (first, second):
        if not low <= score <= high:
            return Reading(None, reason=f"a score of {score:g} is outside {low:g} to {high:g}")
    return Reading(preference(first, second, margin), (first, second))


def _decimal_points(line: str) -> str:
    """The line with decimal commas made points, where both of its scores have one."""
    both = len(DECIMAL_COMMA.findall(line)) == 2 and not DIGIT.search(DECIMAL_COMMA.sub("", line))
    return DECIMAL_COMMA.sub(lambda match: match[0].replace(",", "."), line) if both else line


def _objects(said: str) -> list[list[float]]:
    """The scores of each JSON object that has one of the first and one of the second
    answer, or a list of two.
    """
    found = []
    for match in OBJECT.finditer(said):
        try:
            fields = json.loads(match[0])
        except (ValueError, RecursionError):
            continue
        pairs = [value for value in fields.values() if isinstance(value, list) and len(value) == 2]
        sides = [[value for name, value in fields.items() if key.search(name)] for key in KEYS]
        pairs += [[side[0] for side in sides]] if all(len(side) == 1 for side in sides) else []
        found += [
            scores for pair in pairs if (scores := [n for value in pair if (n := _score(value)) is not None])
        ]
    return [scores for scores in found if len(scores) == 2]


def _score(value: object) -> float | None:
    """A JSON value as a score: a number, or a text that is one, such as ``8/10``."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value) if math.isfinite(value) else None
    match = (
        re.fullmatch(rf"\s*({NUMBER.pattern})(?:\s*/\s*\d+)?\s*", value) if isinstance(value, str) else None
    )
    return float(match[1]) if match else None


def _one_a_line(lines: Sequence[str], bare: Sequence[Sequence[float]]) -> list[list[float]]:
    """Two lines with one score each, one right after the other; more or fewer of them are not a pair."""
    single = [place for place, numbers in enumerate(bare) if len(numbers) == 1]
    if not single or single != list(range(single[0], single[-1] + 1)):
        return []
    scores = [bare[place][0] for place in single]
    if len(scores) < 2:
        return []
    return [_in_order(" ".join(lines[place] for place in single), scores)]


def _in_order(line: str, numbers: list[float]) -> list[float]:
    """The two scores with the first answer's first, where the labels name the second one first."""
    named = [(match["mark"] or match["word"]).lower() for match in WHOSE.finditer(line)]
    swapped = len(numbers) == 2 and named in (["2", "1"], ["b", "a"], ["second", "first"])
    return numbers[::-1] if swapped else numbers


def _out_of(text: str, high: float) -> str:
    return OUT_OF.sub(lambda m: m[1] if float(m[2]) == high else m[0], text)


def _bare(line: str) -> list[float]:
    """The numbers of a line that has nothing but numbers and labels beside them; else none."""
    if not DIGIT.search(line):
        return []
    labelled = NUMBERED.sub(" ", line)
    return [] if LABEL.sub("", NUMBER.sub("", labelled)) else _in_order(line, _numbers(labelled))


def _numbers(text: str) -> list[float]:
    return [float(number) for number in NUMBER.findall(text)]


def read_marked(reply: str, marker: str, pattern: str) -> tuple[str | None, str]:
    """What follows the marker at the start of a line (bold and quotes aside): (value, "") or (None, reason).

    Several equal ones are one. Where they differ, the one that closes the reply counts, because a reply may
    quote what it argues against; where none closes it, it is unparsed.
    """
    decoration = r"[\s*_`#>\"']*"
    line = re.compile(
        rf"^{decoration}{re.escape(marker)}{decoration}({pattern}){decoration}(?:\.{decoration})?$",
        re.IGNORECASE,
    )
    said = spoken(reply)
    if not said.strip():
        return None, nothing_said(reply)
    lines = [part for part in said.splitlines() if part.strip()]
    found = [(i, match[1].lower()) for i, part in enumerate(lines) if (match := line.match(part))]
    if not found:
        return None, _excerpt(f"no line '{marker} ...'", said)
    if len({value for _, value in found}) > 1 and found[-1][0] != len(lines) - 1:
        return None, _excerpt(f"several different lines '{marker} ...'", said)
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
        if (
            not logprob <= 0.01
        ):  # by rounding; more is not a logarithm of a probability, and no number neither
            return Reading(None, reason=f"a log-probability of {logprob:g} is above 0")
        if token.strip() in mass:
            mass[token.strip()] += math.exp(logprob)
    total = sum(mass.values())
    if total <= 0:
        return Reading(None, reason=f"neither {' nor '.join(mass)} is among the most likely tokens")
    first, second = (value / total for value in mass.values())
    return Reading(preference(first, second, judge.tie_margin), (first, second))


def _excerpt(reason: str, reply: str) -> str:
    shown = " ".join(reply.strip()[:2000].split())
    return f"{reason}: {shown[:80]!r}{'...' if len(shown) > 80 else ''}" if shown else "an empty reply"

"""Reads a judge's reply; an unclear reply is unparsed, with the reason."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from handpicked.endpoint.spoken import nothing_said, spoken
from handpicked.judges.folder import JudgeFolder
from handpicked.judges.loose_json import flat, objects_in
from handpicked.records import Preference

NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?![\w%]|\.\d)")
DIGIT = re.compile(r"\d")
# Every pattern here is read in linear time: what repeats begins where a character before it rules out another
# beginning, or is bounded; no two repetitions of the same characters are side by side.
OUT_OF = re.compile(
    r"(?<!\d)(\d{1,20}(?:\.\d{1,20})?)[\s*_]{0,20}(?:/|\(?out of)[\s*_]{0,20}(\d{1,20}(?:\.\d{1,20})?)\b\)?",
    re.IGNORECASE,
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
ANSWERER = (
    "assistant|answer|response|model|output|candidate|option|score|rating|grade|assistent|antwort|asistente|respuesta"
    "|r\u00e9ponse|assistente|resposta|risposta|\u043e\u0442\u0432\u0435\u0442|\u0430\u0441\u0441\u0438\u0441\u0442\u0435\u043d\u0442"
    "|\u52a9\u624b|\u56de\u7b54|\u7b54\u6848|\u56de\u590d|\u30a2\u30b7\u30b9\u30bf\u30f3\u30c8|\ub2f5\ubcc0"
)
"""What an answer or its writer is called in a label, in nine languages."""
LABELLED = re.compile(
    rf"(?:\b|(?<=\W))(?:(?P<who>{ANSWERER})[\s#_*]{{0,4}}(?P<mark>[12ab])|(?P<letter>[ab]))(?![\w.])"
    r"(?:[^\x00-\x7f]{0,4}|[*_`]{0,3}\s?(?:score|rating|grade)?)[\s*_`]{0,6}[:=][\s*_`\[(]{0,6}"
    r"(?P<value>\d{1,4}(?:\.\d{1,4})?)(?=[\s*_`\])]{0,6}(?:$|[,;.|(\n](?!\d)|points?\b|punkte\b|puntos\b|[^\x00-\x7f]))",
    re.IGNORECASE | re.MULTILINE,
)
"""One score with a label that says whose it is, somewhere in the reply: ``Assistant 1: 8``, ``B=6``."""
AROUND = r"(?:[\s*_`#>\"'\[\](){}<\u201c\u201d\u2018\u2019\u00ab\u00bb!\u200b\ufeff]|\\(?:boxed|text|textbf)(?=\{)){0,40}"
"""What may surround a marker and its value: blanks, Markdown, quotes, brackets, TeX."""
BLANKS = " \t\n\r\u2581\u0120\u010a"
"""Blanks around a token: SentencePiece writes one as a bar, byte-level BPE one or a line end as a letter."""
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
    lines with one score each; else two with labels that say whose they are, wherever; else together in prose.

    Thoughts before the reply, and what follows the token that ends its turn, are not read. ``8/10`` and
    ``8 out of 10`` read as 8 (for any ``high``), and ``8,5 6,5`` as 8.5 and 6.5. Labels say whose a score is (``Assistant 2: 6, Assistant 1: 8``). One or three
    scores on the line, a score outside [low, high], or two lines that contradict each other make it unparsed.
    """
    said = spoken(reply)
    if not said.strip():
        return Reading(None, reason=nothing_said(reply))
    lines = [_decimal_points(line) for line in _out_of(said, high).splitlines() if line.strip()]
    bare = [_bare(line) for line in lines]
    found = _objects(said) or [numbers for numbers in bare if len(numbers) > 1] or _one_a_line(lines, bare)
    if not found:
        found = _labelled(lines)
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
    for fields in objects_in(said):
        scores = [(name, value) for name, value in flat(fields) if _score(value) is not None]
        pairs = [value for _, value in flat(fields) if isinstance(value, list) and len(value) == 2]
        sides = [[value for name, value in scores if _is_of(key, name)] for key in KEYS]
        pairs += [[side[0] for side in sides]] if all(len(side) == 1 for side in sides) else []
        found += [[n for value in pair if (n := _score(value)) is not None] for pair in pairs]
    return [scores for scores in found if len(scores) == 2]


def _is_of(key: re.Pattern[str], path: str) -> bool:
    """Whether a field, or an object that it is in, is named as one answer's."""
    return any(key.search(name) for name in path.split("."))


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


def _labelled(lines: Sequence[str]) -> list[list[float]]:
    """One score of each answer, each with the label of its answer; none where an answer has two different ones."""
    scores: dict[bool, set[float]] = {True: set(), False: set()}
    for line in lines:
        if not DIGIT.search(line) or not (":" in line or "=" in line):
            continue
        alone = not LABEL.sub("", LABELLED.sub("", line))
        for match in LABELLED.finditer(line):
            if match["who"] or alone:
                first = (match["mark"] or match["letter"]).lower() in ("1", "a")
                scores[first].add(float(match["value"]))
    both = len(scores[True]) == len(scores[False]) == 1
    return [[*scores[True], *scores[False]]] if both else []


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
    numbers = [] if LABEL.sub("", NUMBER.sub("", labelled)) else _numbers(labelled)
    named = {(match["mark"] or match["word"]).lower() for match in WHOSE.finditer(line)}
    if len(numbers) == 2 and len(named) == 1:  # two numbers about one answer, such as 7-8
        return []
    return _in_order(line, numbers)


def _numbers(text: str) -> list[float]:
    return [float(number) for number in NUMBER.findall(text)]


def read_marked(reply: str, marker: str, pattern: str) -> tuple[str | None, str]:
    """What follows the marker at the start of a line (bold, brackets and quotes aside), or in the field of that
    name of a JSON object: (value, "") or (None, reason). A remark may follow it, which names no other value.

    Several equal ones are one. Where they differ, the one that closes the reply counts, because a reply may
    quote what it argues against; where none closes it, it is unparsed.
    """
    said = spoken(reply)
    if not said.strip():
        return None, nothing_said(reply)
    lines = _joined([part for part in said.splitlines() if part.strip()], marker)
    line = _marked_line(marker, pattern)
    found = [
        (i, match[1].lower())
        for i, part in enumerate(lines)
        if (match := line.match(part))
        and not re.search(rf"\b(?:{pattern})(?!\w)", match["remark"] or "", re.IGNORECASE)
    ]
    if not any(map(str.isalnum, marker)):  # such as [[, which closes a sentence as well as a line
        sign = re.compile(rf"{re.escape(marker)}\s{{0,9}}({pattern})(?!\w)", re.IGNORECASE)
        found = [(i, match[1].lower()) for i, part in enumerate(lines) for match in sign.finditer(part)]
    if not found:
        found = _in_fields(said, marker, pattern)
    if not found:
        return None, _excerpt(f"no line '{marker} ...'", said)
    place, value = found[-1]
    inside = re.compile(rf"{re.escape(marker)}{AROUND}({pattern})(?!\w)", re.IGNORECASE)
    later = {match[1].lower() for part in lines[place + 1 :] for match in inside.finditer(part)}
    closes = place >= len(lines) - 1 and len({other for i, other in found if i == place}) == 1
    if later - {value} or (len({other for _, other in found}) > 1 and not closes):
        return None, _excerpt(f"several different lines '{marker} ...'", said)
    return value, ""


def _marked_line(marker: str, pattern: str) -> re.Pattern[str]:
    stem = marker.rstrip(":").rstrip()
    colon = rf"{AROUND}:" if marker.endswith(":") else ""
    return re.compile(
        rf"^(?:[-+\u2022]|\d\.)?{AROUND}(?:(?:the|my|final|overall)\s{{1,9}}){{0,3}}{AROUND}{re.escape(stem)}{colon}{AROUND}({pattern})"
        rf"{AROUND}\.?{AROUND}(?P<remark>(?:[,;:(]|(?<=\s)[\u2013\u2014-]|(?<=\.)\s|(?<=\.)[*_]{{1,3}}\s).*)?$",
        re.IGNORECASE,
    )


def _joined(lines: Sequence[str], marker: str) -> list[str]:
    """The lines, of which one that holds the marker alone goes on in the next."""
    alone = re.compile(
        rf"^{AROUND}{re.escape(marker.rstrip(':').rstrip())}{AROUND}:?{AROUND}$", re.IGNORECASE
    )
    joined: list[str] = []
    for line in lines:
        if joined and alone.match(joined[-1]):
            joined[-1] = f"{marker} {line}"
        else:
            joined.append(line)
    return joined


def _in_fields(said: str, marker: str, pattern: str) -> list[tuple[int, str]]:
    """The values of the fields that are called as the marker is, in JSON objects."""
    name = marker.rstrip(":").strip().lower()
    values = [
        str(value).strip() for fields in objects_in(said) for key, value in flat(fields)
        if key.rpartition(".")[2].strip().lower() == name and isinstance(value, (str, int, float))
    ]  # fmt: skip
    return [(0, value.lower()) for value in values if re.fullmatch(pattern, value, re.IGNORECASE)]


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
    value, reason = read_marked(_out_of(reply, judge.high), judge.marker, r"[-+]?\d{1,20}(?:[.,]\d{1,20})?")
    if value is None:
        return None, reason
    grade = float(value.replace(",", "."))
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
        if (letter := token.strip(BLANKS)) in mass:
            mass[letter] += math.exp(logprob)
    total = sum(mass.values())
    if total <= 0:
        return Reading(None, reason=f"neither {' nor '.join(mass)} is among the most likely tokens")
    first, second = (value / total for value in mass.values())
    return Reading(preference(first, second, judge.tie_margin), (first, second))


def _excerpt(reason: str, reply: str) -> str:
    shown = " ".join(reply.strip()[:2000].split())
    return f"{reason}: {shown[:80]!r}{'...' if len(shown) > 80 else ''}" if shown else "an empty reply"

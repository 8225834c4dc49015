"""The published shapes of stored reviews with one verdict per row, each with its reader."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from handpicked.judges.outcome import strict, summed, swapped
from handpicked.judges.parse import preference, read_scores
from handpicked.judges.rows import PROMPTS, Rows, first_text, number, with_input
from handpicked.judges.shown import answers_shown
from handpicked.judges.stored import verdict_of
from handpicked.records import Json, Message, Pair, Preference, Review, Verdict, messages_id

Order = Literal["ab", "ba", "unknown"]
LOWEST, HIGHEST = 0.0, 10.0
"""Stored scores outside this range are none: FastChat writes -1 where a reply could not be read."""


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A verdict and what it is about. ``lacking``: one of the two answers is null.

    ``by_question``: the row names its question, so that another row with the same key is the same pair again.
    """

    verdict: Verdict
    pair: Pair | None = None
    lacking: bool = False
    by_question: bool = False

    @property
    def key(self) -> tuple[str, ...]:
        """What was judged and by whom, in either order of the answers."""
        v = self.verdict
        return (v.judge, v.prompt_id, v.test_set, *sorted((v.a, v.b)))


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of stored review: ``needed`` are the fields by which it is recognised.

    ``read`` raises KeyError, TypeError or ValueError for a row of another kind.
    """

    name: str
    needed: frozenset[str]
    read: Callable[[Json, Rows], Reviewed]
    notes: tuple[str, ...] = ()

    def fits(self, part: Rows) -> bool:
        """Whether a file is of this kind."""
        return self.needed <= part.fields


def reviewed(
    row: Mapping[str, object],
    arms: tuple[str, str],
    judge: str,
    reviews: Sequence[Review],
    *,
    prompt: str | None = None,
    answers: tuple[object, object] | None = None,
    test_set: str = "",
) -> Reviewed:
    """A verdict about a prompt (its text, else the question's number), with the pair
    where the row has the answers.

    An answer of null is shown as an empty text, and the lengths are unknown (both 0).
    """
    prompt_id = (
        messages_id((Message("user", prompt),)) if prompt is not None else f"question {_question(row)}"
    )
    a, b = (answer if isinstance(answer, str) else None for answer in answers or (None, None))
    lengths = (0, 0) if a is None or b is None else (len(a), len(b))
    category = first_text(row, "category")
    outcomes = strict(reviews), summed(reviews)
    verdict = Verdict(prompt_id, *arms, judge, tuple(reviews), *outcomes, test_set, category, *lengths)
    if answers is None:
        return Reviewed(verdict, by_question=prompt is None)
    pair = Pair(prompt_id, prompt or prompt_id, *arms, a or "", b or "", test_set, category)
    return Reviewed(verdict, pair, a is None or b is None, prompt is None)


def _question(row: Mapping[str, object]) -> object:
    """The number (or id) of the question. Raises ValueError for a row without one."""
    found = next(
        (row[name] for name in ("question_id", "uid", "session_id") if row.get(name) is not None), None
    )
    if found is None:
        raise ValueError("it has neither a prompt nor a question_id, so what was judged is unknown")
    return found


def prompt_of(row: Mapping[str, object]) -> str:
    """The prompt of a row with the input beside it; two inputs to one instruction are two prompts.

    LIMA's ``conversations`` are a list of texts, of which the first asks.
    """
    turns = row.get("conversations")
    first_turn = turns[0] if isinstance(turns, list) and turns and isinstance(turns[0], str) else ""
    return with_input(first_text(row, *PROMPTS) or first_turn, row)


def scored(order: Order, raw: object, stored: object) -> Review:
    """Stored scores count as they are (a scale of 0 to 10 is accepted); without them the text is read."""
    text = "" if raw is None else str(raw)
    if stored is None or stored == "":
        reading = read_scores(text, LOWEST, HIGHEST)
        return Review(order, reading.preferred, text, reading.scores, reading.reason)
    scores = json.loads(stored) if isinstance(stored, str) else stored
    if not isinstance(scores, (list, tuple)) or len(scores) != 2:
        return Review(order, None, text, reason=f"the stored scores are not two: {stored}")
    first, second = (number(score) for score in scores)
    if first is None or second is None:
        return Review(order, None, text, reason=f"the stored scores are not two numbers: {stored}")
    if not all(LOWEST <= score <= HIGHEST for score in (first, second)):
        return Review(
            order, None, text, reason=f"the stored scores are outside 0 to 10: {first:g} and {second:g}"
        )
    return Review(order, preference(first, second), text, (first, second))


def reason_of(error: Exception) -> str:
    """What is wrong with a row that raised KeyError, TypeError or ValueError."""
    return f"it lacks the field {error}" if isinstance(error, KeyError) else str(error)


def judge_in(file: Path) -> str:
    """Cherry's files end in ``_reviews_gpt3.5``."""
    return file.stem.rsplit("_reviews_", 1)[-1] if "_reviews_" in file.stem else "unknown judge"


def judge_name(row: Mapping[str, object]) -> str:
    """Who judged, where the row says so."""
    return str(row.get("judge") or "unknown judge")


def _own(row: Json, _: Rows) -> Reviewed:
    return Reviewed(verdict_of(row))


def _cherry(row: Mapping[str, object], part: Rows) -> Reviewed:
    return reviewed(
        row,
        (str(part.about.get("fname1", "Answer1")), str(part.about.get("fname2", "Answer2"))),
        str(row.get("judge") or judge_in(part.file)),
        [
            scored("ab", row.get("review"), row.get("scores")),
            scored("ba", row.get("review_reverse"), row.get("scores_reverse")),
        ],
        prompt=prompt_of(row) or None,
        answers=(row["Answer1"], row["Answer2"]),
        test_set=str(row.get("test_set") or part.about.get("dataset_name") or part.stem),
    )


def _alpaca_eval(row: Mapping[str, object], part: Rows) -> Reviewed:
    """``a`` is the model (``output_2``), ``b`` the baseline. A preference is 1 + P(``output_2`` preferred): 1
    (baseline) to 2 (model); 0 is a draw.

    AlpacaEval shows each pair once, in an order that it does not store.
    """
    value, raw = row["preference"], row.get("raw_completion")
    stored = number(value)
    text = raw if isinstance(raw, str) else json.dumps(value)
    if stored is None or not (stored == 0 or 1 <= stored <= 2):
        review = Review("unknown", None, text, reason=f"no preference is stored (it is {value})")
    else:
        for_model = 0.5 if stored == 0 else stored - 1
        scores = (for_model, 1 - for_model)
        seconds, cost = number(row.get("time_per_example")), number(row.get("price_per_example"))
        review = Review("unknown", preference(*scores), text, scores, None, seconds, cost)
    return reviewed(
        row,
        (
            str(row.get("model_dir") or row.get("generator_2") or "output_2"),
            str(row.get("generator_1") or "output_1"),
        ),
        _annotator(row),
        [review],
        prompt=with_input(first_text(row, "instruction") or "", row) or None,
        answers=(row["output_2"], row["output_1"]),
        test_set=str(row.get("dataset") or part.stem),
    )


def _annotator(row: Mapping[str, object]) -> str:
    """Who judged: the annotator of AlpacaEval, or a person of AlpacaFarm by number."""
    number_ = row.get("annotator_index")
    return str(row.get("annotator") or (f"person {number_}" if number_ is not None else "alpaca_eval"))


def _mt_bench(row: Mapping[str, object], _: Rows) -> Reviewed:
    """FastChat stores the winner of each game by model; game 1 shows ``model_1`` first, game 2
    ``model_2``. The answers stand in what the judge was shown, where that is kept.
    """
    first = _winner(row["g1_winner"], "model_1", row["model_1"], "model_2", row["model_2"])
    second = swapped(_winner(row["g2_winner"], "model_1", row["model_1"], "model_2", row["model_2"]))
    reviews = [
        _game("ab", first, row.get("g1_judgment"), row["g1_winner"]),
        _game("ba", second, row.get("g2_judgment"), row["g2_winner"]),
    ]
    arms = (str(row["model_1"]), str(row["model_2"]))
    shown = answers_shown(str(row.get("g1_user_prompt") or ""))
    answers = (shown[0], shown[1]) if len(shown) == 2 else None
    test_set = f"mt-bench turn {row.get('turn', 1)}"
    return reviewed(row, arms, judge_name(row), reviews, answers=answers, test_set=test_set)


def _vote(row: Mapping[str, object], _: Rows) -> Reviewed:
    """One vote on a pair: MT-Bench's human judgements and the Chatbot Arena conversations."""
    preferred = _winner(row["winner"], "model_a", row["model_a"], "model_b", row["model_b"])
    review = _game("unknown", preferred, None, row["winner"])
    arms = (str(row["model_a"]), str(row["model_b"]))
    return reviewed(row, arms, judge_name(row), [review], test_set=f"mt-bench turn {row.get('turn', 1)}")


def _winner(value: object, a: str, name_a: object, b: str, name_b: object) -> Preference | None:
    """The winner by its place (``model_a``) or by its name; ``tie`` with what may follow it (``bothbad``)."""
    text = str(value).strip().lower()
    if text.startswith("tie"):
        return "tie"
    firsts, seconds = {a, str(name_a).lower()}, {b, str(name_b).lower()}
    if firsts & seconds:  # the two models have one name
        firsts, seconds = {a}, {b}
    return "first" if text in firsts else "second" if text in seconds else None


def _game(order: Order, preferred: Preference | None, raw: object, winner: object) -> Review:
    text = str(winner) if raw is None else str(raw)
    return Review(order, preferred, text, reason=None if preferred else f"the stored winner is '{winner}'")


LETTERS: dict[str, Preference] = {
    "A>>B": "first", "A>B": "first", "A=B": "tie", "B=A": "tie", "B>A": "second", "B>>A": "second",
}  # fmt: skip


def _arena_hard(row: Mapping[str, object], _: Rows) -> Reviewed:
    """``a`` is the model, ``b`` the baseline, which the first game shows first (as A)
    and the second game second.

    Arena-Hard counts ``>>`` three times; here it is a preference like ``>``.
    """
    games = row["games"]
    if not isinstance(games, list) or not games:
        raise ValueError("'games' is not a list of games")
    orders = itertools.cycle(("ba", "ab"))  # of more rounds each is in both orders
    reviews = [_arena_game(order, game) for order, game in zip(orders, games, strict=False)]
    arms = (str(row["model"]), str(row.get("baseline") or "baseline"))
    return reviewed(row, arms, judge_name(row), reviews, test_set="arena-hard")


def _arena_game(order: str, game: object) -> Review:
    score = game.get("score") if isinstance(game, Mapping) else None
    judgment = game.get("judgment") if isinstance(game, Mapping) else None
    raw = judgment if isinstance(judgment, str) else json.dumps(judgment, ensure_ascii=False)
    preferred = LETTERS.get("".join(str(score).upper().split()))
    shown: Order = "ba" if order == "ba" else "ab"
    return Review(shown, preferred, raw, reason=None if preferred else f"the stored score is {score}")


def _wild_bench(row: Mapping[str, object], _: Rows) -> Reviewed:
    """One review a pair, which shows ``model_A`` first; the winner is a model's name.

    WildBench counts ``++`` twice; here it is a preference like ``+``.
    """
    arms = (str(row["model_A"]), str(row["model_B"]))
    outputs = row["model_outputs"]
    if not isinstance(outputs, Mapping):
        raise ValueError("'model_outputs' is not an object of answers by model")
    texts = [outputs.get(arm) for arm in arms]
    one, other = (BEGINS.sub("", text) if isinstance(text, str) else None for text in texts)
    preferred = _winner(row["winner"], "model_a", arms[0], "model_b", arms[1])
    review = _game("ab", preferred, json.dumps(row.get("parsed_result"), ensure_ascii=False), row["winner"])
    return reviewed(row, arms, judge_name(row), [review], answers=(one, other), test_set="wild-bench")


BEGINS = re.compile(r"^\s*<\|begin_of_response_[AB]\|>\n")
"""What WildBench leaves before the text of the second answer."""


def _lfqa(row: Mapping[str, object], part: Rows) -> Reviewed:
    """Experts' preferences (Xu et al., 2023): -1 for ``answer_a``, 1 for ``answer_b``, 0 for a tie."""
    sides: dict[float | None, Preference] = {-1.0: "first", 0.0: "tie", 1.0: "second"}
    value = row["overall_preference"]
    preferred = sides.get(number(value))
    reason = None if preferred else f"the stored preference is {value}"
    raw = first_text(row, "justification") or json.dumps(value)
    arms = (str(row.get("answer_a_type") or "answer_a"), str(row.get("answer_b_type") or "answer_b"))
    return reviewed(
        row,
        arms if arms[0] != arms[1] else (f"{arms[0]} (A)", f"{arms[1]} (B)"),
        f"expert {row['annotator']}" if row.get("annotator") is not None else "people",
        [Review("unknown", preferred, raw, reason=reason)],
        prompt=first_text(row, "question"),
        answers=(row["answer_a"], row["answer_b"]),
        test_set=str(row.get("dataset") or part.stem),
    )


SIDES: dict[str, tuple[str, str]] = {
    "HHH": ("human, more votes", "human, fewer votes"),
    "HHh": ("human, fewer votes", "human, more votes"),
    "HMH": ("human", "model"),
    "HMh": ("human", "model"),
    "HMM": ("model", "human"),
}
"""What LFQA's labels say of ``answer1`` and ``answer2``, by their first three letters."""
BETTER: dict[str, Preference] = {"answer a": "first", "answer b": "second"}


def _lfqa_raw(row: Mapping[str, object], part: Rows) -> Reviewed:
    """The annotations of one expert as LFQA keeps them: answer A is ``answer1``."""
    value = row["BetterAnswer"]
    preferred = BETTER.get(str(value).strip().rstrip(".").lower())
    reason = None if preferred else f"the stored preference is {value}"
    raw = first_text(row, "comments") or json.dumps(value)
    return reviewed(
        row,
        SIDES.get(str(row.get("answer1_label"))[:3], ("answer1", "answer2")),
        f"expert {row['annotator']}" if row.get("annotator") is not None else "people",
        [Review("unknown", preferred, raw, reason=reason)],
        prompt=first_text(row, "question_text"),
        answers=(row["answer1"], row["answer2"]),
        test_set=part.stem.split("_", 1)[0],
    )


def _shape(name: str, needed: str, read: Callable[[Json, Rows], Reviewed], *notes: str) -> Shape:
    return Shape(name, frozenset(needed.split()), read, notes)


SHAPES = (
    _shape("handpicked verdicts", "reviews strict summed", _own),
    _shape("both-order reviews", "Answer1 Answer2 review review_reverse", _cherry),
    _shape(
        "AlpacaEval annotations",
        "instruction output_1 output_2 preference",
        _alpaca_eval,
    ),
    _shape("MT-Bench pairs", "question_id model_1 model_2 g1_winner g2_winner", _mt_bench),
    _shape("votes", "question_id model_a model_b winner", _vote),
    _shape(
        "Arena-Hard judgements",
        "model games",
        _arena_hard,
        "'much better' counts as 'better', not three times",
    ),
    _shape(
        "WildBench pairs",
        "session_id model_A model_B winner model_outputs",
        _wild_bench,
        "'much better' counts as 'better', not twice",
    ),
    _shape("experts' preferences (LFQA)", "question answer_a answer_b overall_preference", _lfqa),
    _shape("experts' annotations (LFQA)", "question_text answer1 answer2 BetterAnswer", _lfqa_raw),
)

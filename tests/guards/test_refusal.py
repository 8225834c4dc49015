"""Responses that refuse, or that speak of being an AI."""

from __future__ import annotations

import pytest

from guarded import findings, kept
from handpicked.errors import ConfigError
from handpicked.guards.refusal import SHIPPED, Refusal
from handpicked.selection.guards import plan_guards

FOUND = {
    "As an AI language model, I have no opinion.": "As an AI language model",
    "It depends. As  an\nAI language model I cannot say.": "As an AI language model",
    "I’m sorry, but I can’t help with that.": "I’m sorry, but I can’t",
    "I cannot fulfill this request.": "I cannot fulfill",
    "<think>Is it harmful?</think>\n\nI'm sorry, I cannot do that.": "I'm sorry, I cannot",
}
PASSED = (
    "Here is a model of the language.",
    "She said: \"I'm sorry, but I can't come.\"",
    "<think>As an AI language model I could refuse. No.</think>\n\nHere it is.",
    "Has an AI, in your view, a will?",
    "I'm sorry for your loss.",
)


def test_phrases_are_found_in_the_answer(tmp_path):
    rows = [{"prompt": "Do it.", "response": text} for text in (*FOUND, *PASSED)]
    found = dict(zip((*FOUND, *PASSED), findings(Refusal(), rows, tmp_path), strict=True))
    assert found == {**FOUND, **dict.fromkeys(PASSED)}


def test_every_shipped_phrase_is_found_and_is_lower_case(tmp_path):
    phrases = [line for line in SHIPPED.read_text().splitlines() if line and not line.startswith("#")]
    assert phrases == [line.strip().lower() for line in phrases] and len(set(phrases)) == len(phrases)
    rows = [
        {"prompt": "Do it.", "response": f"{one.removeprefix('^').capitalize()} that."} for one in phrases
    ]
    found = findings(Refusal(), rows, tmp_path)
    assert all(found), [phrase for phrase, one in zip(phrases, found, strict=True) if not one]


def test_phrases_of_the_users_own(tmp_path):
    file = tmp_path / "mine.txt"
    file.write_text("# mine\n^être\nno way\n", encoding="utf-8")
    rows = [
        {"prompt": "Do it.", "response": text} for text in ("Être ou non.", "Oui, être.", "No way!", "Yes.")
    ]
    assert findings(Refusal(str(file)), rows, tmp_path) == ["Être", None, "No way", None]
    assert kept(f"refusal={file}", rows, tmp_path)[0] == [1, 3]
    first = plan_guards([f"refusal={file}"])[0].identity
    file.write_text("^être\n", encoding="utf-8")
    assert plan_guards([f"refusal={file}"])[0].identity != first
    assert plan_guards(["refusal"])[0].identity == ""


def test_a_file_without_phrases_is_a_mistake(tmp_path):
    (tmp_path / "empty.txt").write_text("# nothing\n")
    with pytest.raises(ConfigError, match="holds no phrase"):
        plan_guards([f"refusal={tmp_path / 'empty.txt'}"])
    with pytest.raises(ConfigError, match="cannot be read"):
        plan_guards([f"refusal={tmp_path / 'none.txt'}"])

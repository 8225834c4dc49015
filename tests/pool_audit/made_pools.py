"""Small pools whose audit can be computed by hand."""

from __future__ import annotations

import json
from pathlib import Path

LONG = "the quick brown fox jumps over the lazy dog while seven wise owls watch from a tall old tree today"
"""Eighteen words, of which other rows change one."""


def write(path: Path, rows: list) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def pair(prompt: str, response: str, **more) -> dict:
    return {"instruction": prompt, "input": "", "output": response, **more}


def two_files(folder: Path) -> list[Path]:
    """Nine rows: in each file one rejected, and of the readable ones a copy, a near copy and a prompt that
    occurs again, all of the first file's.
    """
    text = (
        f"{LONG}. {LONG.replace('fox', 'cat')}. {LONG.replace('dog', 'cow')}. {LONG.replace('owls', 'bees')}."
    )
    first = [
        pair("Tell me of a fox.", text, origin="web", grade=3),
        pair("Name a colour.", "Red.", origin="book"),
        pair("Say nothing.", ""),
        pair("What is love?", "<think>\nlet me think about it\n</think>\n\nA word.", origin="web"),
    ]
    second = [
        pair("Name a colour.", "Red."),
        pair("Tell me of a fox.", text.replace("today.", "today!")),
        pair("Name a colour.", "Green and blue are colours."),
        pair("Be silent.", " "),
        pair("Unlike all others here.", "Nothing is shared with it."),
    ]
    return [write(folder / "first.jsonl", first), write(folder / "second.jsonl", second)]

"""Texts that were decoded by the wrong encoding."""

from __future__ import annotations

import pytest

from guarded import findings, kept
from handpicked.guards.mojibake import Mojibake

pytest.importorskip("ftfy")
SOUND = (
    "don’t",
    "naïve café",
    "L’été à Sète",
    "你好，世界",
    "ÃO “x”",
    "SÃO PAULO",
    "Từ ngày",
    "привет",
    "5 °C",
    "→ next",
    "10 £",
)


LATIN = ("café", "naïve", "don’t", "5 °C", "“so", "привет", "Từ", "…", "日本語")
WINDOWS = ("café", "naïve", "don’t", "5 °C", "“so", "…")
READ_AS = [*((text, "latin-1") for text in LATIN), *((text, "windows-1252") for text in WINDOWS)]


@pytest.mark.parametrize(("text", "encoding"), READ_AS)
def test_utf_8_that_was_read_as_something_else_is_found(text, encoding, tmp_path):
    garbled = text.encode().decode(encoding)
    rows = [{"prompt": "Say it.", "response": f"He said: {said}"} for said in (garbled, text)]
    one, other = findings(Mojibake(), rows, tmp_path)
    assert one.endswith(f" for {text.split()[-1]}") and other is None


def test_the_word_and_what_it_should_be_are_shown(tmp_path):
    rows = [
        {"prompt": "Why?", "response": "I donâ€™t know."},
        {"prompt": "CafÃ©?", "response": "Yes."},
        {"prompt": "Why?", "response": "It is 3 \ufffd here."},
    ]
    wrong = ["donâ€™t for don’t", "CafÃ©? for Café?", "a lost character: It is 3 \ufffd here."]
    assert findings(Mojibake(), rows, tmp_path) == wrong


def test_sound_text_of_many_languages_passes(tmp_path):
    rows = [{"prompt": text, "response": text} for text in SOUND]
    assert findings(Mojibake(), rows, tmp_path) == [None] * len(SOUND)


def test_such_rows_are_dropped(tmp_path):
    rows = [{"prompt": "Why?", "response": text} for text in ("I donâ€™t know.", "I don’t know.")]
    assert kept("mojibake", rows, tmp_path)[0] == [1]

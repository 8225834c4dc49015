"""Root verbs of instructions, by spaCy: known sentences, the same however they are cut and
wherever they are parsed.
"""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest

from handpicked.config import SelectSettings
from handpicked.data import read
from handpicked.errors import MissingPart
from handpicked.scorers.text import root_verb
from handpicked.scorers.text.root_verb import READ, Parsed, instruction, root_verbs
from handpicked.selection import pick

needs_spacy = pytest.mark.skipif(root_verb.missing() is not None, reason=str(root_verb.missing()))
SENTENCES = {
    "Write a short story about a dragon.": ("write", "story"),
    "Generate three ideas for a birthday party. Then choose one.": ("generate", "idea"),
    "Please explain how photosynthesis works.": ("explain", None),
    "Can you create a table of prices?": ("create", "table"),
    "Compose a poem": ("compose", "poem"),
}


@needs_spacy
def test_known_instructions():
    assert root_verbs(list(SENTENCES)) == [Parsed(*found, None) for found in SENTENCES.values()]


@needs_spacy
def test_what_has_no_root_verb_says_why():
    texts = ["", " 12 + 3? ", "\u5199\u4e00\u9996\u8bd7\u3002", "The capital city of France."]
    assert [one.why for one in root_verbs(texts)] == ["empty", "empty", "not in the Latin script", "no verb"]
    assert root_verbs([]) == []


@needs_spacy
def test_a_verb_does_not_depend_on_batch_or_process(monkeypatch):
    texts = [f"{text} Number {n}." for n in range(12) for text in SENTENCES]
    here = root_verbs(texts)
    assert [one.verb for one in here] == [found[0] for _ in range(12) for found in SENTENCES.values()]
    monkeypatch.setattr(root_verb, "CHUNK", 7)
    assert root_verbs(texts) == here
    monkeypatch.setattr(root_verb, "FEW", 1)
    assert root_verbs(list(reversed(texts))) == list(reversed(here))


@needs_spacy
def test_a_dead_worker_is_an_error_with_its_complaint(monkeypatch):
    monkeypatch.setattr(root_verb, "CHUNK", 2)
    monkeypatch.setattr(root_verb, "FEW", 1)
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    with pytest.raises(MissingPart, match="spaCy stopped"):
        root_verbs(list(SENTENCES))


@needs_spacy
def test_only_the_beginning_is_parsed():
    text = "Write a story." + " It is long." * 1000
    assert len(text) > READ
    assert root_verbs([text])[0].verb == "write"


def test_without_spacy_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(root_verb, "find_spec", lambda name: None)
    with pytest.raises(MissingPart, match=r"pip install 'handpicked\[english\]'"):
        root_verbs(["Write."])


def test_the_instruction_is_the_first_user_turn():
    assert (
        instruction([("system", "Be kind."), ("user", "Hello"), ("assistant", "Hi"), ("user", "More")])
        == "Hello"
    )
    assert instruction([("system", "Be kind.")]) == ""


@needs_spacy
def test_a_subset_balanced_by_instruction_type(tmp_path):
    rows = [
        {"instruction": f"{verb} number {n}", "input": "", "output": "done"}
        for verb, count in (
            ("Write a story about", 20),
            ("Explain the rules of", 5),
            ("Create a table of", 5),
        )
        for n in range(count)
    ]
    (tmp_path / "pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    pick(
        read(tmp_path / "pool.jsonl"),
        SelectSettings(by="balanced", field="root_verb", size=9),
        tmp_path / "out",
    )
    kept = pq.read_table(tmp_path / "out" / "scores.parquet").to_pylist()
    assert (
        sorted(row["root_verb"] for row in kept if row["kept"])
        == ["create"] * 3 + ["explain"] * 3 + ["write"] * 3
    )

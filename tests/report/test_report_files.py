"""What a report leaves in a folder, and reading it again."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from test_report_page import HOSTILE, hostile

from handpicked.errors import StoreError
from handpicked.report import read, write
from handpicked.report.markdown import render_markdown
from made_run import unhealthy, usual


def test_deleting_the_report_and_writing_it_again_gives_the_same_bytes(tmp_path: Path) -> None:
    page = write(usual(), tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(before) == {"report.html", "report.md", "results.json"}
    results = read(tmp_path)
    for name in ("report.html", "report.md"):
        (tmp_path / name).unlink()
    assert write(results, tmp_path) == page
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_text_that_utf8_cannot_hold_is_stored_and_read_back(tmp_path: Path) -> None:
    text = "lone \ud800, NUL \x00"
    write(hostile(text), tmp_path)
    assert read(tmp_path).samples[0].prompt == text


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_one_clear_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="Cannot write to"):
        write(usual(), tmp_path)


def test_a_folder_in_place_of_the_page_is_one_clear_error_and_leaves_nothing_half_written(
    tmp_path: Path,
) -> None:
    (tmp_path / "report.html" / "in the way").mkdir(parents=True)
    with pytest.raises(StoreError, match="Cannot write to"):
        write(usual(), tmp_path)
    assert not list(tmp_path.glob(".*.part"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "has no results.json"),
        ("{half", "cannot be read"),
        (json.dumps({"format": 99}), "has format 99"),
        ("[]", "has format None"),
    ],
)
def test_results_that_cannot_be_rendered_say_why_and_what_to_do(
    tmp_path: Path, content: str | None, message: str
) -> None:
    if content is not None:
        (tmp_path / "results.json").write_text(content, encoding="utf-8")
    with pytest.raises(StoreError, match=message) as error:
        read(tmp_path)
    assert "un the experiment again" in str(error.value)


def test_the_short_report_has_the_answer_first_and_whole_tables() -> None:
    text = render_markdown(usual())
    assert text.index(usual().answer.headline) < text.index("## Comparisons")
    for block in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE):
        assert len({line.count("|") for line in block.splitlines()}) == 1
    assert "No winner is named" in render_markdown(unhealthy())


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:24]))
def test_hostile_text_stays_text_in_the_short_report(text: str) -> None:
    markdown = render_markdown(hostile(text))
    assert not re.search(r"(?<!\\)<", markdown)
    markdown.encode("utf-8")

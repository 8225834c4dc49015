"""The page and the text of an audit: what they say, and that foreign text stays text."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace

import pytest
from made_pools import pair, two_files, write

import handpicked as hp
from handpicked.errors import StoreError
from handpicked.pool_audit.files import write as write_audit
from handpicked.pool_audit.page import page
from handpicked.pool_audit.record import NotAudited, from_json, to_json
from handpicked.pool_audit.text import lines as audit_lines
from headless import dom, needs_chromium

HOSTILE = (
    "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">\x1b[31m\u202e"
)


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pool")
    files = two_files(folder)
    return hp.audit(hp.read(files), against=[str(files[0])], template="chatml", max_length=20)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A pool whose every text is an attack: prompts, responses, sources, fields, copies, what is rejected."""
    folder = tmp_path_factory.mktemp("hostile")
    row = pair(HOSTILE, f"{HOSTILE} " * 40, source=HOSTILE, **{HOSTILE: 1})
    files = [write(folder / f"{one}<b>.jsonl", [row, row, pair(HOSTILE, "")]) for one in "ab"]
    return hp.audit(hp.read(files), against=[str(files[0])], max_length=20)


def test_the_page_says_what_was_counted(usual):
    shown = page(usual)
    text = re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", shown)))
    assert "7 of 9 rows can be read, 2 are rejected" in text
    for one in usual.guards:
        assert one.name in text and one.rule in text
    assert "second.jsonl first.jsonl 1" in text  # which file's rows repeat which
    assert "are cut at 20 tokens 4 57%" in text
    assert shown == page(usual) == page(from_json(json.loads(to_json(usual))))


def test_the_text_says_what_was_counted(usual):
    lines = list(audit_lines(usual))
    assert lines[0] == "2 files: 9 rows, 7 readable, 2 rejected"
    assert "            2     22%  rejected: the response is empty (first.jsonl, line 3)" in lines
    assert any("duplicates: an earlier row has the same messages" in line for line in lines)
    (nothing,) = [line for line in lines if "mojibake" in line]
    assert nothing.split()[:2] == ["0", "0%"] and "compressibility" in nothing
    assert any(line.endswith("of second.jsonl are in first.jsonl") for line in lines)
    assert not any("a random sample" in line for line in lines)
    sampled = replace(usual, rendered=replace(usual.rendered, rows=5))
    assert any("on a random sample of 5 rows" in line for line in audit_lines(sampled))


def test_what_was_not_looked_at_is_reported(usual):
    lacking = replace(usual, not_audited=(NotAudited("language", "it needs an extra"),))
    assert any("language: not looked at: it needs an extra" in line for line in audit_lines(lacking))
    assert "language was not looked at: it needs an extra" in page(lacking)


def test_foreign_text_stays_text(hostile):
    shown = page(hostile)
    assert not re.search(r"<(script|img)|a<b>", shown) and "&lt;script&gt;" in shown
    assert "\u202e" not in shown and "\x1b" not in shown
    assert not any(letter in line for line in audit_lines(hostile) for letter in "\u202e\x1b\n")


def test_a_refused_pool_is_reported_first(usual):
    refused = replace(usual, rendered=replace(usual.rendered, refused=usual.rendered.rows))
    assert "refuses every row that it was tried on" in page(refused)
    assert any("refuses every row" in line for line in audit_lines(refused))


def test_files_are_written_and_those_of_others_are_left(usual, tmp_path):
    out = tmp_path / "audit"
    for _ in range(2):
        assert write_audit(usual, out) == out / "audit.html"
    assert from_json(json.loads((out / "audit.json").read_text())) == usual
    assert sorted(one.name for one in out.iterdir()) == ["audit.html", "audit.json"]
    (out / "audit.json").write_text("{}")
    with pytest.raises(StoreError, match="did not write"):
        write_audit(usual, out)
    with pytest.raises(StoreError, match="is a file"):
        write_audit(usual, out / "audit.html")


@needs_chromium
@pytest.mark.parametrize("width", [360, 1200])
def test_in_a_browser_nothing_runs_and_nothing_is_too_wide(hostile, tmp_path, width):
    (tmp_path / "page.html").write_text(page(hostile), encoding="utf-8")
    outer = tmp_path / "outer.html"
    outer.write_text(
        f"<title>wait</title><iframe id=f src=page.html width={width} height=900></iframe><script>"
        "f.onload = () => { const d = f.contentDocument;"
        "for (const one of d.querySelectorAll('details')) one.open = true;"
        "document.title = 'widths ' + d.documentElement.scrollWidth + ' ' + d.documentElement.clientWidth"
        " + ' ' + d.title }</script>",
        encoding="utf-8",
    )
    seen = dom(outer, tmp_path / "profile", "--allow-file-access-from-files", "--virtual-time-budget=4000")
    found = re.search(r"<title>widths (\d+) (\d+) (.*?)</title>", seen)
    assert found, seen[:300]
    assert int(found[1]) <= int(found[2]) and found[3].startswith("Audit of 2 files")

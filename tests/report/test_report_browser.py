"""The page in a real browser: hostile answers run nothing, and nothing overflows at three widths."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from test_report_page import HOSTILE, hostile

from handpicked.report import render
from headless import dom, needs_chromium
from made_run import usual

pytestmark = needs_chromium


def test_the_harness_sees_a_script_that_runs(tmp_path: Path) -> None:
    """Without this the next test could pass because nothing ever runs."""
    page = tmp_path / "page.html"
    page.write_text("<title>mine</title><script>document.title='owned'</script>", encoding="utf-8")
    assert "<title>owned</title>" in dom(page, tmp_path / "profile")


def test_hostile_answers_run_nothing(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(render(hostile("\n".join(text[:400] for text in HOSTILE))), encoding="utf-8")
    seen = dom(page, tmp_path / "profile")
    title = re.search(r"<title>(.*?)</title>", seen)
    assert title and title.group(1).startswith("quickstart:")
    assert not re.search(r"<(script|iframe|img)\b", seen)


def test_the_policy_stops_a_script_that_got_in_and_lets_the_style_through(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    broken = render(usual()).replace("</main>", "<script>document.title='owned'</script></main>")
    page.write_text(broken, encoding="utf-8")
    assert "<title>owned</title>" not in dom(page, tmp_path / "profile")


@pytest.mark.parametrize("width", [390, 820, 1400])
def test_nothing_is_wider_than_the_window(tmp_path: Path, width: int) -> None:
    """Measured by a script in an outer page, since the report itself runs none."""
    (tmp_path / "page.html").write_text(render(usual()), encoding="utf-8")
    outer = tmp_path / "outer.html"
    outer.write_text(
        f"<title>wait</title><iframe id=f src=page.html width={width} height=900></iframe><script>"
        "f.onload = () => { const d = f.contentDocument.documentElement;"
        "document.title = 'widths ' + d.scrollWidth + ' ' + d.clientWidth + ' '"
        " + getComputedStyle(f.contentDocument.body).maxWidth }</script>",
        encoding="utf-8",
    )
    seen = dom(outer, tmp_path / "profile", "--allow-file-access-from-files", "--virtual-time-budget=4000")
    found = re.search(r"widths (\d+) (\d+) (\w+)<", seen)
    assert found, seen[:300]
    assert int(found[1]) <= int(found[2])
    assert found[3] == "1056px", "the style sheet is not applied"

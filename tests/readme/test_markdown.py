"""Every page of the documentation: lines that fit, and links that lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = [
    *sorted(REPOSITORY.glob("*.md")),
    *(
        page
        for folder in ("docs", "design", "benchmarks")
        for page in sorted((REPOSITORY / folder).rglob("*.md"))
    ),
]
LONGEST = 110


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_lines_fit_and_links_lead_somewhere(page):
    text = page.read_text("utf-8")
    if page.name not in ("reference.md", "cli.md"):  # made from code
        long = [line for line in text.splitlines() if len(line) > LONGEST and not line.startswith("|")]
        assert not long, f"wrap at {LONGEST} characters"
    for target, anchor in re.findall(r"\]\((?!https?://)([^)#\s]*)#?([^)]*)\)", text):
        linked = page.parent / target if target else page
        assert linked.exists(), target
        if anchor and linked.suffix == ".md":
            titles = re.findall(r"^#+ (.*)$", linked.read_text("utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w\- ]", "", title).lower().replace(" ", "-") for title in titles}, (
                anchor
            )

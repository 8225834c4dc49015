"""Build the documentation as a site: ``python tools/docs_site.py``, or ``make docs``.

The pages of docs/ are written to be read on GitHub too. Links that leave docs/ (to source, design notes,
CONTRIBUTING.md), and to notebooks, lead to the repository on the site; so the pages are staged in
build/docs with those links rewritten, and Zensical builds site/ from there. It checks pages and anchors,
and fails on any warning.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
DOCS = REPOSITORY / "docs"
STAGED = REPOSITORY / "build" / "docs"
LINK = re.compile(r"(\]\()(?!https?://|#|mailto:)([^)#\s]+)(#[^)\s]*)?(?=\))")


class BrokenLink(ValueError):
    """A link of a page leads nowhere."""


def homepage() -> str:
    """The address of the repository, as pyproject.toml has it."""
    project = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    (address,) = re.findall(r'^Homepage = "(.*)"$', project, re.MULTILINE)
    return str(address)


def for_the_site(text: str, page: Path, repository_url: str) -> str:
    """The text of a page (its place is below docs/) with the links that leave the site made absolute.

    Raises BrokenLink where a link leads to no file.
    """

    def rewritten(match: re.Match[str]) -> str:
        target = (page.parent / match[2]).resolve()
        if not target.exists():
            raise BrokenLink(f"{page.relative_to(REPOSITORY)}: {match[2]} does not exist")
        if target.is_relative_to(DOCS) and target.suffix != ".ipynb":
            return match[0]
        kind = "tree" if target.is_dir() else "blob"
        inside = target.relative_to(REPOSITORY).as_posix()
        return f"{match[1]}{repository_url}/{kind}/main/{inside}{match[3] or ''}"

    return LINK.sub(rewritten, text)


def stage() -> None:
    """Copy docs/ to build/docs, pages with their links rewritten."""
    shutil.rmtree(STAGED, ignore_errors=True)
    shutil.copytree(DOCS, STAGED, ignore=shutil.ignore_patterns("*.ipynb", ".ipynb_checkpoints"))
    url = homepage()
    for page in sorted(DOCS.rglob("*.md")):
        text = for_the_site(page.read_text(encoding="utf-8"), page, url)
        (STAGED / page.relative_to(DOCS)).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    try:
        stage()
    except BrokenLink as error:
        sys.exit(f"docs: {error}")
    build = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    sys.exit(subprocess.run(build, cwd=REPOSITORY).returncode)

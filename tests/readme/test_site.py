"""The site of the documentation: its pages, the pages made from code, and its pictures."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from oldest import same_words

REPOSITORY = Path(__file__).resolve().parents[2]
DOCS = REPOSITORY / "docs"
sys.path.append(str(REPOSITORY / "tools"))

import cli_reference  # noqa: E402
import docs_site  # noqa: E402

LARGEST = 200_000
"""Bytes of a picture at most."""


class AnyTag(yaml.SafeLoader):
    """Reads mkdocs.yml, whose slugify is a Python object."""


AnyTag.add_multi_constructor("", lambda *_: None)


def settings():
    return yaml.load((REPOSITORY / "mkdocs.yml").read_text("utf-8"), AnyTag)


def pages_of(navigation):
    if isinstance(navigation, str):
        return [navigation]
    parts = navigation.values() if isinstance(navigation, dict) else navigation
    return [page for part in parts for page in pages_of(part)]


def test_every_page_is_in_the_navigation_once():
    listed = pages_of(settings()["nav"])
    assert sorted(listed) == sorted(page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md"))


def test_the_navigation_has_four_groups():
    groups = [title for part in settings()["nav"] for title in part]
    assert groups == ["Home", "Tutorials", "How-to", "Reference", "Explanation"]


@same_words
def test_the_page_of_commands_is_what_the_command_line_says():
    text = (DOCS / "cli.md").read_text(encoding="utf-8")
    assert text == cli_reference.cli_page(), "is stale: run python tools/reference.py"


def test_the_page_of_commands_has_each_command_with_its_options():
    text = (DOCS / "cli.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    assert {"handpicked", "select", "run", "judge", "audit", "explore"} <= set(sections)
    assert "`--guard <list[str]>` | A filter that drops rows first" in sections["select"]
    assert "`--assume <str>`" in sections["run"] and "`--assume" not in sections["select"]


def test_every_public_name_is_on_the_page_of_the_api():
    import handpicked as hp

    named = re.findall(r"^::: handpicked\.(\w+)$", (DOCS / "api.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(named) == sorted(set(hp.__all__) - {"__version__"})


def test_a_link_out_of_the_pages_leads_to_the_repository():
    def rewritten(text):
        return docs_site.for_the_site(text, DOCS / "tutorials" / "cluster.md", "https://example.org/repo")

    assert rewritten("[a](../scale.md#ray) [b](#x) [c](https://a.org/b)") == (
        "[a](../scale.md#ray) [b](#x) [c](https://a.org/b)"
    )
    assert rewritten("[a](../../CONTRIBUTING.md#setup)") == (
        "[a](https://example.org/repo/blob/main/CONTRIBUTING.md#setup)"
    )
    assert rewritten("[a](../../design)") == "[a](https://example.org/repo/tree/main/design)"
    assert rewritten("[a](first-selection.ipynb)").endswith(
        "/blob/main/docs/tutorials/first-selection.ipynb)"
    )
    with pytest.raises(docs_site.BrokenLink, match=r"docs/tutorials/cluster\.md: \.\./gone\.md"):
        rewritten("[a](../gone.md)")


def test_the_site_and_the_package_name_the_same_repository():
    assert settings()["repo_url"] == docs_site.homepage()


def test_pictures_are_small_and_all_used():
    texts = [page.read_text("utf-8") for page in [*DOCS.rglob("*.md"), REPOSITORY / "README.md"]]
    pictures = sorted((DOCS / "images").iterdir())
    assert [picture.name for picture in pictures] == ["audit.png", "explore.png", "report.png"]
    for picture in pictures:
        assert picture.read_bytes().startswith(b"\x89PNG") and picture.stat().st_size <= LARGEST
        assert any(f"images/{picture.name})" in text for text in texts)


@pytest.mark.skipif(importlib.util.find_spec("zensical") is None, reason="needs the group docs")
def test_the_site_builds_without_a_warning():
    build = [sys.executable, "tools/docs_site.py"]
    done = subprocess.run(build, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (REPOSITORY / "site" / "judging" / "index.html").is_file()

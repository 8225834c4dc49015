"""The tags of a page and its text, and foreign text that must stay text."""

from __future__ import annotations

import re
from html.parser import HTMLParser

HOSTILE = (
    "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    "</style></details></div><h1>owned</h1>{{ 7 * 7 }} \u202egnp.exe NUL \x00 ESC \x1b[31m"
)
FORBIDDEN = {"script", "iframe", "object", "embed", "link", "img", "form", "base"}


class Tags(HTMLParser):
    """Every tag of a page with its attributes, and its text outside the style sheet."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.text += " "

    def handle_data(self, data: str) -> None:
        self.text += data


def words(page: str) -> str:
    """What a reader sees, on one line."""
    return " ".join(Tags(page).text.split())


def assert_safe(page: str) -> None:
    """No script can run, nothing is loaded, and no control character is left as it is."""
    tags = Tags(page).tags
    assert not {tag for tag, _ in tags} & FORBIDDEN
    assert not [name for _, attributes in tags for name in attributes if name.startswith("on")]
    (policy,) = [a["content"] for t, a in tags if t == "meta" and "Content-Security-Policy" in str(a)]
    assert policy is not None and policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "script-src" not in policy
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e]", page)

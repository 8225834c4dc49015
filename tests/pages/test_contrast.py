"""The colours of the pages: small text can be read on its ground (WCAG 2.2, 4.5 to 1), in light and in dark."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

STYLES = {
    name: files("handpicked").joinpath(path).read_text("utf-8")
    for name, path in {
        "report": "pages/templates/style.css",
        "explore": "explore/page/page.css",
        "inspect": "votes/page/page.css",
    }.items()
}
LEAST = 4.5


def palettes(style: str) -> list[dict[str, list[int]]]:
    """The colours of the light palette and of the dark one, as numbers from 0 to 255."""
    light, _, dark = style.partition("prefers-color-scheme: dark")
    return [
        {
            name: [int(digits[at : at + 2], 16) for at in (0, 2, 4)]
            for name, digits in re.findall(r"--([\w-]+): #([0-9a-f]{6})", part)
        }
        for part in (light.split("\n}")[0], dark.split("\n}")[0])
    ]


def luminance(colour: list[float]) -> float:
    parts = [
        one / 255 / 12.92 if one / 255 <= 0.04045 else ((one / 255 + 0.055) / 1.055) ** 2.4 for one in colour
    ]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(text: list[int], ground: list[int], opacity: float = 1.0) -> float:
    seen = [opacity * one + (1 - opacity) * under for one, under in zip(text, ground, strict=True)]
    lighter, darker = sorted((luminance(seen), luminance(ground)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_that_of_the_standard():
    assert contrast([0, 0, 0], [255, 255, 255]) == pytest.approx(21)
    assert contrast([119, 119, 119], [255, 255, 255]) == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("name", STYLES)
def test_names_of_keys_are_legible(name):
    found = re.search(r"^kbd \{.*?opacity: (\.\d+)", STYLES[name], re.MULTILINE | re.DOTALL)
    if found is None:
        assert name == "report"  # the report has no keys
        return
    for colours in palettes(STYLES[name]):
        assert contrast(colours["ink"], colours["paper"], float(found[1])) >= LEAST
        assert contrast(colours["on-win"], colours["win"], float(found[1])) >= LEAST


def test_what_the_report_says_of_its_answer_is_legible():
    for colours in palettes(STYLES["report"]):
        assert contrast(colours["paper"], colours["open"]) >= LEAST
        assert contrast(colours["on-win"], colours["win"]) >= LEAST
        assert contrast(colours["on-lose"], colours["lose"]) >= LEAST
        assert contrast(colours["muted"], colours["paper"]) >= LEAST

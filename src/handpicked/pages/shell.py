"""The frame of every page: self-contained, without scripts, fonts, images or network, and the same bytes
every time.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from handpicked.pages import charts, text

FORMATS = (
    "shorten", "percent", "number", "signed", "percent_interval", "signed_interval", "duration", "value_of",
    "compact", "compact_percent", "points", "signed_points", "points_interval", "p_value",
)  # fmt: skip
"""The functions of ``text`` that templates use as filters."""


def environment_of(package: str) -> Environment:
    """The templates of ``package``, and those that all pages share. Every printed text is escaped and made
    safe to look at.
    """
    made = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("handpicked.pages")]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update({name: getattr(text, name) for name in FORMATS})
    made.globals.update(charts=charts)
    return made


def _shown(value: object) -> object:
    """Every text that a template prints, made safe to look at; markup of our own (charts) passes as it is."""
    return text.visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _style() -> str:
    return resources.files("handpicked.pages").joinpath("templates/style.css").read_text(encoding="utf-8")


def shell() -> dict[str, str]:
    """The style sheet and the policy that allows it, by its hash, and nothing else."""
    style = _style()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return {"style": style, "policy": policy}

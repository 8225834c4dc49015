"""The templates of the pages written with a subset and with scores."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment

from handpicked.pages.shell import environment_of


@cache
def environment() -> Environment:
    """The templates of this package."""
    return environment_of("handpicked.selection")

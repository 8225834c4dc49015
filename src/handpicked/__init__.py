"""handpicked: pick the few demonstrations worth fine-tuning on, and prove it.

import handpicked as hp

pool = hp.read("alpaca_data.json")
hp.select(pool, hp.Longest(), size=1000).write("alpaca-1k")
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from handpicked._version import __version__

if TYPE_CHECKING:
    from handpicked.data import read, read_prompts
    from handpicked.errors import HandpickedError
    from handpicked.experiment import load
    from handpicked.pick import Selection, compare_measures, select
    from handpicked.records import Example, Pool, Prompt
    from handpicked.run import run
    from handpicked.select.balanced import Balanced
    from handpicked.select.full import Full
    from handpicked.select.length_matched import LengthMatched
    from handpicked.select.power_law import PowerLaw
    from handpicked.select.random import Random
    from handpicked.select.ranked import Bottom, Longest, Shortest, Top
    from handpicked.select.window import Window

__all__ = [
    "Balanced",
    "Bottom",
    "Example",
    "Full",
    "HandpickedError",
    "LengthMatched",
    "Longest",
    "Pool",
    "PowerLaw",
    "Prompt",
    "Random",
    "Selection",
    "Shortest",
    "Top",
    "Window",
    "__version__",
    "compare_measures",
    "load",
    "read",
    "read_prompts",
    "run",
    "select",
]

# Where each name lives. It is imported when it is first asked for: importing handpicked must cost nothing.
_HOME = {
    "Balanced": "select.balanced",
    "Bottom": "select.ranked",
    "Example": "records",
    "Full": "select.full",
    "HandpickedError": "errors",
    "LengthMatched": "select.length_matched",
    "Longest": "select.ranked",
    "Pool": "records",
    "PowerLaw": "select.power_law",
    "Prompt": "records",
    "Random": "select.random",
    "Selection": "pick",
    "Shortest": "select.ranked",
    "Top": "select.ranked",
    "Window": "select.window",
    "compare_measures": "pick",
    "load": "experiment",
    "read": "data",
    "read_prompts": "data",
}


class _Package(ModuleType):
    """Makes ``hp.select`` and ``hp.run`` the functions, although submodules have these names too.

    The import system sets a submodule as an attribute of its package once anything imports it; a property outranks
    that, so that the name means the same before and after.
    """

    @property
    def select(self) -> Any:
        return import_module("handpicked.pick").select

    @select.setter
    def select(self, submodule: ModuleType) -> None:
        del submodule

    @property
    def run(self) -> Any:
        return import_module("handpicked.run").run

    @run.setter
    def run(self, submodule: ModuleType) -> None:
        del submodule


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'handpicked' has no attribute {name!r}")
    return getattr(import_module(f"handpicked.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)

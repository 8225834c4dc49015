"""handpicked: pick the few demonstrations worth fine-tuning on, and prove it.

import handpicked as hp

pool = hp.read("alpaca_data.json")
hp.select(pool, hp.Longest(), size=1000).write("alpaca-1k")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from handpicked._version import __version__

if TYPE_CHECKING:
    from handpicked.data import read, read_prompts
    from handpicked.errors import HandpickedError
    from handpicked.experiment.file import load
    from handpicked.experiment.run import run
    from handpicked.guards.guard import Guard
    from handpicked.pool_audit import audit
    from handpicked.records import Example, Pool, Prompt
    from handpicked.scorers.pool_scorer import PoolScorer
    from handpicked.scorers.scorer import Scorer
    from handpicked.selection import Selection, compare_measures, select
    from handpicked.selectors.balanced import Balanced
    from handpicked.selectors.full import Full
    from handpicked.selectors.length_matched import LengthMatched
    from handpicked.selectors.power_law import PowerLaw
    from handpicked.selectors.random import Random
    from handpicked.selectors.ranked import Bottom, Longest, Shortest, Top
    from handpicked.selectors.selector import Selector
    from handpicked.selectors.window import Window

__all__ = [
    "Balanced",
    "Bottom",
    "Example",
    "Full",
    "Guard",
    "HandpickedError",
    "LengthMatched",
    "Longest",
    "Pool",
    "PoolScorer",
    "PowerLaw",
    "Prompt",
    "Random",
    "Scorer",
    "Selection",
    "Selector",
    "Shortest",
    "Top",
    "Window",
    "__version__",
    "audit",
    "compare_measures",
    "load",
    "read",
    "read_prompts",
    "run",
    "select",
]

# Where each name lives. It is imported at its first use, so that ``import handpicked`` and ``--help`` stay
# quick.
_HOME = {
    "Balanced": "selectors.balanced",
    "Bottom": "selectors.ranked",
    "Example": "records",
    "Full": "selectors.full",
    "Guard": "guards.guard",
    "HandpickedError": "errors",
    "LengthMatched": "selectors.length_matched",
    "Longest": "selectors.ranked",
    "Pool": "records",
    "PowerLaw": "selectors.power_law",
    "Prompt": "records",
    "PoolScorer": "scorers.pool_scorer",
    "Random": "selectors.random",
    "Scorer": "scorers.scorer",
    "Selection": "selection",
    "Selector": "selectors.selector",
    "Shortest": "selectors.ranked",
    "Top": "selectors.ranked",
    "Window": "selectors.window",
    "audit": "pool_audit",
    "compare_measures": "selection",
    "load": "experiment.file",
    "read": "data",
    "read_prompts": "data",
    "run": "experiment.run",
    "select": "selection",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'handpicked' has no attribute {name!r}")
    return getattr(import_module(f"handpicked.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)

"""Select from a pool: score it, choose from the scores, write the subset with its reasons."""

from handpicked.selection.choice import pick, select
from handpicked.selection.compare import compare_measures
from handpicked.selection.result import Selection

__all__ = ["Selection", "compare_measures", "pick", "select"]

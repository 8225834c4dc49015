"""Select from a pool: score it, choose from the scores, write the subset with its reasons."""

from handpicked.pick.choose import pick, select
from handpicked.pick.compare import compare_measures
from handpicked.pick.selection import Selection

__all__ = ["Selection", "compare_measures", "pick", "select"]

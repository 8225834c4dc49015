"""Whether a selection by embeddings fits into the memory that it may take, before anything is embedded."""

from __future__ import annotations

from handpicked.scorers.model.embedding import Embedding
from handpicked.selection.plan import SelectionPlan
from handpicked.selection.rounding import share_of
from handpicked.selectors.embeddings import afford


def check_memory(plan: SelectionPlan, rows: int) -> None:
    """Refuse now what the selector would refuse once its ``rows`` are embedded. Where guards may leave fewer,
    or the model does not say how many numbers its vectors have, only the selector can tell.

    Raises:
        ConfigError: the least that it needs is more than the plan's ``memory``.
    """
    embedders = [one for one in plan.scorers if isinstance(one, Embedding)]
    if not embedders or plan.guards or not plan.selector.compares_meaning:
        return
    dimensions = embedders[0].dimensions
    size = plan.size if plan.fraction is None else share_of(plan.fraction, rows)
    if dimensions is not None:
        afford(plan.selector, rows, dimensions, rows if size is None else size, plan.memory)

"""Runs forward passes on a CPU side by side, one thread each."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from threadpoolctl import threadpool_limits

if TYPE_CHECKING:
    from transformers import PreTrainedModel


Item = TypeVar("Item")
Result = TypeVar("Result")
CHANGING = ("dynamic", "longrope")
"""Kinds of rotary embedding that a forward pass changes in place by the length that it sees."""


def side_by_side(
    work: Callable[[Item], Result], items: Sequence[Item], model: PreTrainedModel
) -> Generator[Result, None, None]:
    """``work`` of each item, in order: forward passes of ``model`` over small batches.

    On a CPU, as many at once as torch has threads, with one thread each, in the products of a BLAS as well,
    however few there are: so the last digits depend on no number of threads. A product of a few hundred lines
    hardly gains from a second thread, and the many small steps between products gain nothing. One after the
    other on an accelerator, and where passes would disturb each other.
    Close it when it is not read to its end: what has not begun is then left.
    """
    import torch

    threads = torch.get_num_threads()
    independent = len(items) > 0 and _independent(model)
    workers = min(threads, len(items)) if independent else 1
    each = 1 if independent else threads
    with threadpool_limits(limits=each, user_api="blas"):
        if workers == threads == 1 or not independent:
            yield from map(work, items)
            return
        try:
            with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(each,)) as pool:
                yield from pool.map(work, items)
        finally:
            torch.set_num_threads(threads)  # of threads yet to come; this one has kept its own


def _independent(model: PreTrainedModel) -> bool:
    """Whether passes of the model may run at once: on a CPU, by transformers' own code as it
    is, which keeps no state.
    """
    rotary = [
        getattr(model.config.get_text_config(), name, None) for name in ("rope_parameters", "rope_scaling")
    ]
    return (
        model.device.type == "cpu"
        and type(model).__module__.startswith("transformers.models.")
        and not any(kind in str(rotary) for kind in CHANGING)
        and all(part._compiled_call_impl is None for part in model.modules())
    )

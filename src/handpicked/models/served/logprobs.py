"""Log-probabilities of given tokens by a served model: what perplexity and held-out loss are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from handpicked.errors import EndpointError
from handpicked.models.head import IGNORED
from handpicked.models.served.servers import Served
from handpicked.models.template import Encoded


def log_probabilities(
    served: Served, rows: Sequence[Sequence[int]], step: Callable[[float], None]
) -> list[list[float | None]]:
    """The natural-log probability of each token of each row given those before it; None for a row's first
    token, which nothing is before.

    Raises EndpointError where the answer does not hold one for every token, and as ``Served.complete`` does.
    """
    bodies = [
        {
            "prompt": list(row),
            "max_tokens": 1,
            "temperature": 0,
            "prompt_logprobs": 0,
            "add_special_tokens": False,
        }
        for row in rows
    ]
    choices = served.complete(bodies, step)
    return [_of_row(served, row, choice) for row, choice in zip(rows, choices, strict=True)]


def _of_row(served: Served, row: Sequence[int], choice: dict[str, Any]) -> list[float | None]:
    said = choice.get("prompt_logprobs")
    if not isinstance(said, list) or len(said) != len(row):
        raise EndpointError(
            f"vLLM at {served.client.url} gave no log-probabilities for a prompt of {len(row)} tokens: is it "
            "another server, or an old release?"
        )
    try:
        return [
            None,
            *(float(one[str(token)]["logprob"]) for token, one in zip(row[1:], said[1:], strict=True)),
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise EndpointError(
            f"vLLM at {served.client.url} gave log-probabilities of other tokens than those of the prompt."
        ) from error


def row_losses(
    served: Served, rows: Sequence[Encoded], step: Callable[[float], None] = lambda _: None
) -> list[float]:
    """The mean loss, in nats, over each row's labelled tokens."""
    found = log_probabilities(served, [row.ids for row in rows], step)
    return [
        -_mean([value for value, label in zip(said, row.labels, strict=True) if label != IGNORED])
        for said, row in zip(found, rows, strict=True)
    ]


def _mean(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return sum(known) / len(known)

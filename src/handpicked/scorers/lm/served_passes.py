"""The losses of rows by a vLLM server, from the log-probabilities of prompts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from handpicked.errors import ConfigError
from handpicked.models.served import Served
from handpicked.models.served.logprobs import log_probabilities
from handpicked.scorers.lm.losses import Losses, Pass
from handpicked.scorers.lm.tokenized import Tokenized

NEVER = -9999.0
"""What vLLM writes where a token has no probability at all, because JSON has no infinity."""


@dataclass
class ServedPasses:
    """One pass a row, or with ``alone`` two: also over the response without its prompt, after the token
    ``beginning``. ``reach`` gives the server, and is called when there is something to send.
    """

    reach: Callable[[], Served]
    alone: bool
    beginning: int

    def make(self, tokenized: Tokenized, step: Callable[[float], None]) -> Losses:
        """The losses of all rows; ``step`` counts rows.

        Raises ConfigError for a row that the server's context does not hold; EndpointError and WorkerError as
        ``Served.complete`` does.
        """
        places = (tokenized.reason == 0).nonzero()[0].tolist()
        kinds = (False, True) if self.alone else (False,)
        passes = [(place, alone) for place in places for alone in kinds]
        lines = [
            tokenized.response_alone(place, self.beginning) if alone else tokenized.tokens(place)
            for place, alone in passes
        ]
        said = self._asked([ids.tolist() for ids, _ in lines], len(tokenized.rows), step)
        done = {}
        for (place, alone), (_, scored), values in zip(passes, lines, said, strict=True):
            row = int(tokenized.rows[place])
            done[row, alone, 0] = Pass(row, alone, _mean(values, scored))
        return Losses(tokenized, done, self.alone, self._facts(tokenized, lines))

    def _asked(
        self, rows: Sequence[list[int]], count: int, step: Callable[[float], None]
    ) -> list[list[float | None]]:
        """The log-probabilities; the passes together count as ``count`` rows."""
        if not rows:
            return []
        room, longest = self._served.context - 1, max(map(len, rows))
        if longest > room:
            raise ConfigError(
                f"A row of {longest:,} tokens does not fit the context of the server at "
                f"{self._served.client.url}, {room + 1:,} tokens of which one is left for an answer. Give it a "
                f"larger --max-model-len, or cut the rows: score.max_length={room}."
            )
        return log_probabilities(self._served, rows, lambda done: step(done * count / len(rows)))

    def _facts(self, tokenized: Tokenized, lines: Sequence[tuple[np.ndarray, np.ndarray]]) -> dict[str, Any]:
        tokens, cut = sum(len(ids) for ids, _ in lines), tokenized.cut
        return {
            "tokens": tokens,
            "padded": tokens,
            "shared_prefix": None,
            "cut rows": int((cut > 0).sum()),
            "cut tokens": int(cut.sum()),
            **({"vllm": self._version} if lines else {}),
        }

    @cached_property
    def _served(self) -> Served:
        return self.reach()

    @property
    def _version(self) -> str | None:
        return self._served.version


def _mean(values: Sequence[float | None], scored: np.ndarray) -> float | None:
    """The mean loss in nats of the scored tokens; None where it is not finite. A row's first token, which has
    no log-probability, is never scored.
    """
    losses = [-value for value, wanted in zip(values, scored, strict=True) if wanted and value is not None]
    mean = math.fsum(losses) / len(losses)
    impossible = any(loss >= -NEVER for loss in losses)
    return mean if math.isfinite(mean) and not impossible else None

"""Makes the forward passes over some rows."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from handpicked.models.head import IGNORED
from handpicked.models.threads import side_by_side
from handpicked.scorers.lm.batching import Todo, plan, sizes
from handpicked.scorers.lm.forward import Prefix, shared_prefix, token_losses
from handpicked.scorers.lm.losses import Losses, Pass
from handpicked.scorers.lm.noise import Noise
from handpicked.scorers.lm.tokenized import Tokenized

if TYPE_CHECKING:
    import torch

    Line = tuple[np.ndarray, np.ndarray]
    """The tokens of a row, and which of them are scored."""

SHARED = 8
"""Tokens of a prefix common to all rows from which on its states are kept."""


@dataclass
class Passes:
    """One pass a row, or several. ``alone``: also the response without its prompt,
    after the token ``beginning``.

    ``each`` keeps the losses of single tokens; ``neighbours`` are as many more passes with
    ``noise`` on the embeddings. ``compiled``: the model is (see ``compiled``).
    """

    model: Any
    alone: bool
    each: bool
    beginning: int
    neighbours: int = 0
    noise: Noise | None = None
    compiled: bool = False
    _shared: tuple[int, ...] = ()
    _prefix: Prefix | None = None
    _skipped: int = 0
    _tokenized: Tokenized = field(init=False)

    def make(self, tokenized: Tokenized, step: Callable[[float], None]) -> Losses:
        """The losses of all rows. ``step`` counts rows."""
        passes = dict[tuple[int, bool, int], Pass]()
        self._tokenized = tokenized
        self._share(tokenized.common_prefix())
        batches = plan(tokenized, self.alone, self.neighbours, self._skipped)
        tokens, padded = sizes(batches)
        forward = functools.partial(self._forward, self.model)
        with closing(side_by_side(forward, batches, self.model)) as made:
            for batch, found in zip(batches, made, strict=True):
                passes |= {one.key: one for one in found}
                step(len(tokenized.rows) * sum(todo.length for todo in batch) / tokens)
        cut = tokenized.cut
        facts = {
            "tokens": tokens,
            "padded": padded,
            "shared_prefix": self._skipped if batches else None,
            "cut rows": int((cut > 0).sum()),
            "cut tokens": int(cut.sum()),
        }
        return Losses(tokenized, passes, self.alone, facts)

    def _share(self, common: np.ndarray) -> None:
        """Keep the states of the tokens that all rows begin with, where the model allows it; they are those
        of the part before where these begin alike.
        """
        ids = tuple(common.tolist())
        if len(ids) < SHARED or self.noise is not None or self.compiled:
            ids = ()
        if ids != self._shared:
            self._shared = ids
            self._prefix = shared_prefix(self.model, ids) if ids else None
        self._skipped = len(ids) if self._prefix is not None else 0

    def _forward(self, model: Any, batch: Sequence[Todo]) -> list[Pass]:
        """The losses of one batch."""
        import torch

        lines = [self._tokens(todo) for todo in batch]
        prefix = None if batch[0].alone else self._prefix
        with torch.inference_mode():
            losses = self._padded(model, batch, lines, prefix)
        parts = losses.split([int(scored[1:].sum()) for _, scored in lines])
        return [self._passed(todo, part.numpy()) for todo, part in zip(batch, parts, strict=True)]

    def _padded(
        self, model: Any, batch: Sequence[Todo], lines: Sequence[Line], prefix: Prefix | None
    ) -> torch.Tensor:
        """The losses of rows by the model's own code. They are padded on the right, where a
        causal model cannot look.
        """
        import torch

        shape = (len(lines), max(len(tokens) for tokens, _ in lines))
        ids, labels = np.zeros(shape, np.int64), np.full(shape, IGNORED, np.int64)
        for line, (tokens, scored) in enumerate(lines):
            ids[line, : len(tokens)] = tokens
            labels[line, : len(tokens)] = np.where(scored, tokens, IGNORED)
        inputs = torch.from_numpy(ids).to(model.device)
        embedded = None if self.noise is None else self._noisy(model, inputs, batch)
        wanted = torch.from_numpy(labels).to(model.device)
        return token_losses(model, inputs, wanted, embedded=embedded, prefix=prefix).cpu()

    def _tokens(self, todo: Todo) -> Line:
        """What the model reads in a pass, after the shared prefix, and which of it is scored."""
        if todo.alone:
            return self._tokenized.response_alone(todo.place, self.beginning)
        tokens, scored = self._tokenized.tokens(todo.place)
        return tokens[self._skipped :], scored[self._skipped :]

    def _noisy(self, model: Any, ids: torch.Tensor, batch: Sequence[Todo]) -> torch.Tensor:
        """The embeddings of the batch's tokens, each with the noise of its neighbour."""
        import torch

        assert self.noise is not None
        embedded: torch.Tensor = model.get_input_embeddings()(ids)
        for line, todo in enumerate(batch):
            tokens, scored = self._tokenized.tokens(todo.place)
            noise = torch.from_numpy(self.noise.of(tokens, embedded.shape[-1], todo.neighbour))
            if todo.alone:  # the beginning-of-text token has none
                noise = noise[torch.tensor(scored.tolist())]
                embedded[line, 1 : 1 + len(noise)] += noise.to(embedded)
            else:
                embedded[line, : len(noise)] += noise.to(embedded)
        return embedded

    def _passed(self, todo: Todo, losses: np.ndarray) -> Pass:
        mean = float(losses.astype("float64").mean())
        kept = losses.astype("float32") if self.each else None
        row = int(self._tokenized.rows[todo.place])
        return Pass(row, todo.alone, mean if math.isfinite(mean) else None, kept, todo.neighbour)


def compiled(model: Any) -> Any:
    """The model, compiled block by block: all blocks share their code, so that only one is compiled, however
    deep the model is.
    """
    kinds = set(model._no_split_modules or ())
    blocks = [part for part in model.modules() if type(part).__name__ in kinds]
    for part in blocks or [getattr(model, model.base_model_prefix)]:
        part.compile(dynamic=True)
    return model

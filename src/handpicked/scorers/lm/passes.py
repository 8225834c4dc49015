"""Makes the forward passes over a pool's rows that the journal does not hold yet."""

from __future__ import annotations

import base64
import functools
import math
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from handpicked.config import ModelSettings
from handpicked.models.head import IGNORED
from handpicked.models.load import load_model
from handpicked.models.threads import side_by_side
from handpicked.progress import Progress
from handpicked.scorers.lm.batching import Todo, plan, sizes
from handpicked.scorers.lm.forward import Prefix, shared_prefix, token_losses
from handpicked.scorers.lm.losses import Losses, Pass
from handpicked.scorers.lm.noise import Noise
from handpicked.scorers.lm.tokenized import Tokenized
from handpicked.store.journal import append, recover

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
    ``noise`` on the embeddings.
    """

    model: ModelSettings
    tokenized: Tokenized
    alone: bool
    each: bool
    beginning: int
    neighbours: int = 0
    noise: Noise | None = None
    compile: bool = False
    prefix: Prefix | None = None
    skipped: int = 0

    def make(self, journal: Path, progress: Progress, name: str) -> Losses:
        """Make the passes that ``journal`` lacks, under the label ``name``; the losses of all rows."""
        rows, cut = self.tokenized.rows, self.tokenized.cut
        done = {one.key: one for one in (Pass(**record) for record in recover(journal))}
        common = self.tokenized.common_prefix()
        shared = len(common) if len(common) >= SHARED and self.noise is None and not self.compile else 0
        model = self._load()
        if shared and (prefix := shared_prefix(model, common.tolist())) is not None:
            self.prefix, self.skipped = prefix, shared
        batches = plan(self.tokenized, self.alone, self.neighbours, self.skipped)
        tokens, padded = sizes(batches)
        waiting = [
            batch
            for batch in batches
            if any((int(rows[t.place]), t.alone, t.neighbour) not in done for t in batch)
        ]
        with progress(f"{name} (tokens)", tokens) as step:
            step(tokens - sum(todo.length for batch in waiting for todo in batch))
            forward = functools.partial(self._forward, model)
            with closing(side_by_side(forward, waiting, model)) as made:
                for batch, found in zip(waiting, made, strict=True):
                    append(journal, found)
                    done |= {one.key: one for one in found}
                    step(sum(todo.length for todo in batch))
        facts = {
            "tokens": tokens,
            "shared_prefix": self.skipped,
            "padding": round((padded - tokens) / padded, 4) if padded else 0.0,
            "truncated": {"rows": int((cut > 0).sum()), "tokens": int(cut.sum())},
        }
        return Losses(self.tokenized, done, self.alone, facts)

    def _load(self) -> Any:
        model = load_model(self.model)
        if self.compile:
            # Block by block: all blocks share their code, so that only one is compiled, however deep the
            # model is.
            kinds = set(model._no_split_modules or ())
            blocks = [part for part in model.modules() if type(part).__name__ in kinds]
            for part in blocks or [getattr(model, model.base_model_prefix)]:
                part.compile(dynamic=True)
        return model

    def _forward(self, model: Any, batch: Sequence[Todo]) -> list[Pass]:
        """The losses of one batch."""
        import torch

        lines = [self._tokens(todo) for todo in batch]
        prefix = None if batch[0].alone else self.prefix
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
        tokens, scored = self.tokenized.tokens(todo.place)
        if not todo.alone:
            return tokens[self.skipped :], scored[self.skipped :]
        tokens = np.concatenate([[self.beginning], tokens[scored]])
        return tokens, np.arange(len(tokens)) > 0

    def _noisy(self, model: Any, ids: torch.Tensor, batch: Sequence[Todo]) -> torch.Tensor:
        """The embeddings of the batch's tokens, each with the noise of its neighbour."""
        import torch

        assert self.noise is not None
        embedded: torch.Tensor = model.get_input_embeddings()(ids)
        for line, todo in enumerate(batch):
            tokens, scored = self.tokenized.tokens(todo.place)
            noise = torch.from_numpy(self.noise.of(tokens, embedded.shape[-1], todo.neighbour))
            if todo.alone:  # the beginning-of-text token has none
                noise = noise[torch.tensor(scored.tolist())]
                embedded[line, 1 : 1 + len(noise)] += noise.to(embedded)
            else:
                embedded[line, : len(noise)] += noise.to(embedded)
        return embedded

    def _passed(self, todo: Todo, losses: np.ndarray) -> Pass:
        mean = float(losses.astype("float64").mean())
        kept = base64.b64encode(losses.astype("float32").tobytes()).decode() if self.each else None
        row = int(self.tokenized.rows[todo.place])
        return Pass(row, todo.alone, mean if math.isfinite(mean) else None, kept, todo.neighbour)

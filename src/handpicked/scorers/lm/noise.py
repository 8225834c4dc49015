"""Noisy copies of a row, for scores that measure stability."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Noise:
    """What makes a neighbour: uniform noise in [-1, 1] times ``alpha`` / sqrt(tokens x width)
    on every token's embedding.

    The noise of NEFTune (Jain et al. 2023, arXiv 2310.05914). It depends on the row's tokens, the neighbour's
    number and ``seed`` alone; a response token has the same noise with and without its prompt.
    """

    alpha: float = 5.0
    seed: int = 0

    def of(self, tokens: np.ndarray, width: int, neighbour: int) -> np.ndarray:
        """float32 [tokens, width]; all zero for the row itself."""
        shape = (len(tokens), width)
        if neighbour == 0:
            return np.zeros(shape, np.float32)
        seed = self.seed % 2**64  # NumPy takes no negative seed; other libraries do
        generator = np.random.default_rng([seed, neighbour, zlib.crc32(tokens.tobytes())])
        noise = generator.uniform(-1, 1, shape) * (self.alpha / math.sqrt(len(tokens) * width))
        return noise.astype(np.float32)

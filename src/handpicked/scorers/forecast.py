"""What scoring a pool will take, estimated before it begins."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a scorer by a model will take for the rows it is given; ``sentence`` says it.

    ``seconds`` is the time, None where the speed is unknown: that of one device of this machine, which more
    devices share, or of an endpoint (``endpoint``), which they do not change. ``usd`` is the most that it can
    cost in US dollars: 0 where it is free, None where the prices are unknown.
    """

    sentence: str
    seconds: float | None = None
    usd: float | None = 0.0
    endpoint: bool = False

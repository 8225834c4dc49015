"""``audit``: what is in a pool before anything is selected from it, as text, JSON and a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from handpicked.data import read
from handpicked.pool_audit.files import write
from handpicked.pool_audit.make import make_audit
from handpicked.pool_audit.plan import plan_audit
from handpicked.pool_audit.record import Audit

__all__ = ["Audit", "audit", "write"]


def audit(
    data: Any,
    *,
    against: Sequence[str] = (),
    measure: str = "tokens",
    tokenizer: str | None = None,
    template: str | None = None,
    model: str | None = None,
    max_length: int | None = None,
    guards: Sequence[str] = (),
) -> Audit:
    """Look at every row of ``data``, a pool or anything that ``read`` takes, and say what is in it: rejected
    rows and why, lengths, turns, sources, what every guard would drop, copies, and what it has in common with
    other files.

    ``against``: files (folders, globs) of evaluation prompts, or of rows that you already have. ``measure``
    and ``tokenizer`` count lengths. ``template`` is a chat template to try on up to 20,000 rows: a shipped
    one or that of ``model`` (a name or folder; its own by default). ``max_length`` (tokens) counts what a
    trainer would cut. ``guards`` are guards with limits other than the defaults, as ``name=value``.

    Raises:
        ConfigError: an unknown name or a wrong limit. PoolError: no row can be read, or a file is missing.
        MissingPart: something requested needs an extra.
    """
    plan = plan_audit(
        against=against,
        measure=measure,
        tokenizer=tokenizer,
        template=template,
        model=model,
        max_length=max_length,
        guards=guards,
    )
    return make_audit(read(data), plan)

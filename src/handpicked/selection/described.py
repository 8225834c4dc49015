"""What manifests say of a pool, a method and the versions that a result may depend on."""

from __future__ import annotations

import platform
from dataclasses import asdict, fields, is_dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from handpicked.records import Pool, Unread
from handpicked.scorers.scorer import ScoreColumn
from handpicked.scorers.text.of_part import part_of


def arguments(record: Any) -> dict[str, Any]:
    """The recorded arguments of a scorer or selector, without those too long to repeat (lengths, prompts)."""
    if not is_dataclass(record) or isinstance(record, type):
        return {}
    left_out = ("lengths", "prompts", "without", "file", "missing", "embeddings")
    found = {one.name: getattr(record, one.name) for one in fields(record) if one.name not in left_out}
    return {
        key: asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
        for key, value in found.items()
    }


def unread_of(pool: Pool) -> tuple[Unread, ...]:
    """What the rows of a pool hold that is not part of the conversation, where the pool knows it."""
    unread = getattr(pool, "unread", None)
    return () if unread is None else tuple(unread())


def pool_described(pool: Pool) -> dict[str, Any]:
    """A pool as a manifest names it: its format and why, its rows, its files with their hashes."""
    return {
        "format": pool.format,
        "why": pool.why,
        "rows": pool.rows,
        "not_of_the_conversation": {one.field: one.rows for one in unread_of(pool)},
        "inputs": [dict(one) for one in pool.inputs()],
    }


def described(scorer: ScoreColumn) -> dict[str, Any]:
    """A scorer as a manifest names it: unit, direction, what null means, its arguments and
    its tokenizer's identity.
    """
    described = {
        "name": scorer.name,
        "unit": scorer.unit,
        "better": scorer.better,
        "null": scorer.missing,
        "version": scorer.version,
        **arguments(scorer),
    }
    part = part_of(scorer)
    return described | scorer.recorded | ({} if part is None else {"part": part})


def versions() -> dict[str, str]:
    """The versions that a selection may depend on."""
    found = {"python": platform.python_version()}
    for name in (
        "pyarrow",
        "numpy",
        "gigatoken",
        "tokenizers",
        "daft",
        "nltk",
        "rensa",
        "torch",
        "transformers",
        "sentence-transformers",
        "faiss-cpu",
    ):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found

"""The pool: the data set to select from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from handpicked.config.section import EXECUTION, Strict


class PoolSettings(Strict):
    """The data set to select from."""

    path: str | tuple[str, ...]
    """A file, a folder, a glob, a data set on the hub (``owner/name`` or
    ``hf://datasets/owner/name@revision``), ``s3://bucket/folder``, ``named:alpaca``, several of them, or
    ``python-stdlib`` (the standard library's own documentation).
    """
    split: Annotated[str | None, Field(json_schema_extra=EXECUTION)] = None
    """Split of a folder or of a data set on the hub; none: train. Not part of any fingerprint itself, because
    the hash of what is read is.
    """
    config: Annotated[str | None, Field(json_schema_extra=EXECUTION)] = None
    """Config of a folder or of a data set on the hub, as its README.md lists them; none: the default one. Not
    part of any fingerprint itself, because the hash of what is read is.
    """
    encoding: Annotated[str | None, Field(json_schema_extra=EXECUTION)] = None
    """Encoding of text files that are neither UTF-8 nor UTF-16, such as ``windows-1252``."""
    format: str | None = None
    """Row format (alpaca, sharegpt, messages, ...); none: recognise it."""
    map: dict[str, str] | None = None
    """Field names for rows of an unknown shape, such as ``{prompt: question, response: answer}``."""
    turns: Literal["last", "all"] = "last"
    """Which assistant turns are the response."""
    max_row_mb: Annotated[int, Field(gt=0)] = 256
    """The largest size of a row of a text file, in MiB; a larger row is rejected with its size, and never
    loaded.
    """
    hold_out: Annotated[int, Field(ge=0)] = 0
    """Rows taken out of the pool before selection, at random; they become prompts with
    references (test set ``held-out``).
    """
    hold_out_max_words: Annotated[int, Field(gt=0)] | None = None
    """Only rows with a response of at most this many words are held out (they must be cheap to
    generate and to compare).
    """

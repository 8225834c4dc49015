"""Sentence embeddings by sentence-transformers."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from handpicked.config import BUNDLED_EMBEDDER, ModelSettings
from handpicked.errors import ConfigError, MissingPart, first_line
from handpicked.models.bundled import PREFIX, bundled_folder
from handpicked.models.digest import MODEL_FILES, sha256_of_file
from handpicked.models.load import UNREADABLE, hub_file, is_folder
from handpicked.models.own_code import without_own_code
from handpicked.models.pickles import check_modules, without_pickles
from handpicked.models.quiet import quiet

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from transformers import PreTrainedTokenizerBase


def embed(texts: Sequence[str], name: str = BUNDLED_EMBEDDER, *, batch_size: int = 64) -> np.ndarray:
    """Embeddings of ``texts``: float32 [n, dimensions], each of length 1, so that a dot product is a cosine.

    The bundled MiniLM reads the first 256 tokens of a text and has 384 dimensions. ``name`` is
    ``bundled:NAME``, a folder or a hub name. Raises MissingPart when sentence-transformers or the model is
    not there.
    """
    model = embedder(name)
    if not texts:
        return np.zeros((0, model.get_embedding_dimension()), dtype=np.float32)
    with quiet():
        vectors = model.encode(
            list(texts),
            batch_size=batch_size,
            normalize_embeddings=True,
            show_progress_bar=False,
            convert_to_numpy=True,
        )
    return np.asarray(vectors, dtype=np.float32)


def tokens_read(texts: Sequence[str], name: str = BUNDLED_EMBEDDER) -> list[tuple[int, int]]:
    """For each text how many tokens the embedder reads, its special ones included, and how many it cuts off."""
    if not texts:
        return []
    limit = embedder(name).max_seq_length or 1 << 30
    with quiet():
        counts = [len(ids) for ids in _counting(name)(list(texts), truncation=False)["input_ids"]]
    return [(min(count, limit), max(0, count - limit)) for count in counts]


@lru_cache(maxsize=2)
def _counting(name: str) -> PreTrainedTokenizerBase:
    """The embedder's tokenizer, for counting. A copy, because padding and truncation are state of a tokenizer:
    one thread may count while another embeds.
    """
    return copy.deepcopy(embedder(name).tokenizer)


def embedder_identity(name: str = BUNDLED_EMBEDDER) -> str:
    """What the model is: a hash of its folder's files (modules and pooling included),
    or its commit on the hub.

    Raises:
        ConfigError: a folder that is not there, or holds no sentence-transformers model.
        MissingPart: a model of the hub that is neither cached nor in reach, or a wheel that is not installed.
    """
    if not name.startswith(PREFIX) and not is_folder(name):
        return f"{name}@{_hub_commit(name)}"
    folder = bundled_folder(name) if name.startswith(PREFIX) else Path(name).expanduser()
    if not folder.is_dir():
        raise ConfigError(f"There is no model folder '{name}' (looked at {folder.absolute()}).")
    if not (folder / "modules.json").is_file():
        raise ConfigError(
            f"'{name}' is not a sentence-transformers model: there is no modules.json in "
            f"{folder.absolute()}. It defines how "
            "token vectors become one, which must not be guessed."
        )
    digest = hashlib.sha256()
    for path in sorted({path for pattern in (*MODEL_FILES, "*.json") for path in folder.rglob(pattern)}):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{sha256_of_file(path)}\n".encode())
    return digest.hexdigest()


def dimensions(name: str = BUNDLED_EMBEDDER) -> int | None:
    """The numbers of a vector, as the files of the model's last layers say, which is not loaded; None where
    they do not.
    """
    modules = _about(name, "modules.json")
    for module in reversed(modules if isinstance(modules, list) else []):
        about = _about(name, f"{module.get('path', '')}/config.json".lstrip("/"))
        for key in ("out_features", "word_embedding_dimension", "hidden_size"):
            if isinstance(about, dict) and isinstance(about.get(key), int):
                return int(about[key])
    return None


def _about(name: str, file: str) -> object:
    """What a JSON file of an embedder says; None where it is not there."""
    try:
        if name.startswith(PREFIX):
            path = bundled_folder(name) / file
        else:
            path = (
                Path(name).expanduser() / file
                if is_folder(name)
                else hub_file(ModelSettings(name=name), file)
            )
        found: object = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, MissingPart):
        return None
    return found


@lru_cache(maxsize=2)
def embedder(name: str) -> SentenceTransformer:
    """The SentenceTransformer of that name, loaded once. Raises MissingPart as ``embed`` does."""
    try:
        from safetensors import SafetensorError
        from sentence_transformers import SentenceTransformer
    except ImportError:
        raise MissingPart("Embeddings need sentence-transformers: pip install 'handpicked[embed]'") from None
    place = str(bundled_folder(name)) if name.startswith(PREFIX) else name
    # The exact commit that the identity names, even if the hub has a newer one.
    commit = None if place != name or is_folder(name) else _hub_commit(name)
    if commit is None:
        check_modules(Path(place).expanduser(), name)
    what = f"The embedder '{name}'"
    with quiet(), without_pickles(what), without_own_code(what):
        try:
            return SentenceTransformer(place, revision=commit, model_kwargs={"use_safetensors": True})
        except (
            *UNREADABLE,
            ImportError,
            SafetensorError,
        ) as error:  # the last for a custom module, whose code is not run
            raise MissingPart(
                f"The embedding model '{name}' cannot be loaded: {first_line(error)}"
            ) from error


def _hub_commit(name: str) -> str:
    """The commit of an embedder of the hub. Not every one has a config.json, but all say in
    modules.json what they are.
    """
    return hub_file(ModelSettings(name=name), "modules.json").parent.name

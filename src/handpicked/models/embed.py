"""Sentence embeddings by sentence-transformers: what similarity judges and clusterings compare."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from handpicked.config import BUNDLED_EMBEDDER
from handpicked.errors import MissingPart
from handpicked.models.bundled import PREFIX, bundled_folder
from handpicked.models.quiet import quiet

if TYPE_CHECKING:
    import numpy as np


def embed(texts: Sequence[str], name: str = BUNDLED_EMBEDDER, *, batch_size: int = 64) -> np.ndarray:
    """Embeddings of ``texts``: float32 [n, dimensions], each of length 1, so that a dot product is a cosine.

    The bundled MiniLM reads the first 256 tokens of a text and has 384 dimensions. ``name`` is ``bundled:NAME``, a folder
    or a hub name. Raises MissingPart when sentence-transformers or the model is not there.
    """
    import numpy as np

    model = _model(name)
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


@lru_cache(maxsize=2)
def _model(name: str) -> Any:
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError:
        raise MissingPart("Embeddings need sentence-transformers: pip install 'handpicked[embed]'") from None
    place = str(bundled_folder(name)) if name.startswith(PREFIX) else name
    with quiet():
        try:
            return SentenceTransformer(place, model_kwargs={"use_safetensors": True})
        except OSError as error:
            raise MissingPart(
                f"The embedding model '{name}' cannot be loaded: {str(error).splitlines()[0]}"
            ) from error

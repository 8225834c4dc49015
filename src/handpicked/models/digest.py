"""Hashes of model files, which identify a model in fingerprints."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

# What decides a model's behaviour. Pickled weights are not listed: they are never loaded.
MODEL_FILES = (
    *("*.safetensors", "*.safetensors.index.json", "*config.json", "*.py"),
    *("tokenizer*", "vocab*", "merges.txt", "special_tokens_map.json", "added_tokens.json", "chat_template*"),
    "additional_chat_templates/*.jinja",
)


def sha256_of_file(path: Path) -> str:
    """The sha256 of a file as 64 hex digits; read again only when its size or modification time changed."""
    stat = path.stat()
    return _sha256(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=1024)
def _sha256(path: Path, size: int, modified: int) -> str:
    del size, modified  # parts of the cache's key
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def sha256_of_folder(folder: Path) -> str:
    """One sha256 over the names and contents of a model folder's files (weights, configuration, tokenizer)."""
    digest = hashlib.sha256()
    for path in sorted({path for pattern in MODEL_FILES for path in folder.glob(pattern)}):
        digest.update(f"{path.name}\0{sha256_of_file(path)}\n".encode())
    return digest.hexdigest()

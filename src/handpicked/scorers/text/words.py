"""White-space words of a batch of texts as numbers, so that n-grams are counted without a loop over words."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

MOST = 1 << 20
"""Characters of a text whose n-grams are looked at by ``beginnings``."""


@dataclass(frozen=True)
class Words:
    """``codes`` numbers each word; text ``i`` has words ``offsets[i]`` to ``offsets[i + 1]``."""

    codes: np.ndarray
    offsets: np.ndarray

    def ngrams(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """A 64-bit hash of every run of ``n`` words of one text, and the text it is of.

        Equal runs have equal hashes; two different ones share a hash with probability 2**-64.
        """
        lengths = np.diff(self.offsets)
        runs = np.maximum(lengths - n + 1, 0)
        owners = np.repeat(np.arange(len(lengths)), runs)
        firsts = np.repeat(self.offsets[:-1] - np.r_[0, np.cumsum(runs)[:-1]], runs) + np.arange(len(owners))
        with np.errstate(over="ignore"):
            mixed = mix(self.codes.astype(np.uint64))
            hashes = np.zeros(len(firsts), dtype=np.uint64)
            for step in range(n):
                hashes = mix(hashes ^ mixed[firsts + step])
        return hashes, owners


def mix(values: np.ndarray) -> np.ndarray:
    """The finalizer of splitmix64 (Steele et al., 2014): a bijection of 64-bit numbers that scatters them."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = values ^ (values >> np.uint64(31))
    return mixed


def beginnings(texts: pa.Array) -> pa.Array:
    """The texts, of each no more than its first ``MOST`` characters: n-grams of words take twenty
    times their text's memory.
    """
    if (pc.max(pc.binary_length(texts)).as_py() or 0) <= MOST:
        return texts
    return pc.utf8_slice_codeunits(texts, 0, MOST)


def split_words(texts: pa.Array) -> tuple[pa.Array, np.ndarray]:
    """All words of all texts, one after the other, and the offsets of each text's; as
    ``str.split()`` finds them.
    """
    trimmed = pc.utf8_trim_whitespace(pc.fill_null(texts, "").cast(pa.large_string()))
    lists = pc.utf8_split_whitespace(trimmed)
    words = pc.list_flatten(lists)
    lengths = pc.list_value_length(lists).to_numpy(zero_copy_only=False).astype(np.int64)
    empty = pc.equal(pc.binary_length(trimmed), 0).to_numpy(zero_copy_only=False)
    if empty.any():  # Splitting nothing gives one empty word.
        words = words.filter(pc.not_equal(words, ""))
        lengths[empty] = 0
    return words, np.r_[0, np.cumsum(lengths)]


def numbered_words(texts: pa.Array, vocabulary: pa.Array | None = None) -> Words:
    """The words of ``texts`` numbered by first occurrence, or by their place in ``vocabulary``.

    Words outside of it are numbered apart, all different, so that no n-gram with one of them equals another.
    """
    words, offsets = split_words(texts)
    if vocabulary is None:
        return Words(pc.dictionary_encode(words).indices.to_numpy(zero_copy_only=False), offsets)
    places = pc.fill_null(pc.index_in(words, value_set=vocabulary), -1)
    codes = places.to_numpy(zero_copy_only=False).astype(np.int64)
    unknown = np.flatnonzero(codes < 0)
    codes[unknown] = len(vocabulary) + unknown
    return Words(codes, offsets)


def hashed_words(texts: pa.Array) -> Words:
    """The words of ``texts`` numbered by their CRC-32, the same in every batch (one pair in 4
    billion shares a number).
    """

    words, offsets = split_words(texts)
    encoded = pc.dictionary_encode(words)
    checks = [zlib.crc32(word) for word in encoded.dictionary.cast("large_binary").to_pylist()]
    return Words(np.array(checks, dtype=np.uint64)[encoded.indices.to_numpy(zero_copy_only=False)], offsets)

"""The built-in judge: cosine similarity between each answer and the reference, by sentence embeddings.

It sees no order and costs nothing. It measures whether an answer says what the reference says, not whether it
is good.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import numpy as np

from handpicked.judges.folder import JudgeFolder
from handpicked.judges.outcome import mirrored
from handpicked.judges.parse import preference
from handpicked.models.embed import embed
from handpicked.progress import Progress
from handpicked.records import Pair, Preference, Review

WINDOWS_AT_ONCE = 256
NO_REFERENCE = "the prompt has no reference answer to compare with"
"""Why a pair has no verdict."""


def similarity_reviews(
    pairs: Sequence[Pair], judge: JudgeFolder, progress: Progress
) -> list[tuple[Review, ...]]:
    """Two reviews a pair, mirror images of each other. A pair without a reference is unparsed.

    ``raw`` holds both cosines as JSON. Blank answers have no meaning to compare: against an answer that is
    not blank they lose, against each other they tie.
    """
    comparable = [pair for pair in pairs if pair.reference and pair.reference.strip()]
    texts = {
        text: None for pair in comparable for text in (pair.reference or "", pair.answer_a, pair.answer_b)
    }
    vectors = _embedded([text for text in texts if text.strip()], judge, progress)
    reviews = [_review(pair, judge, vectors) for pair in pairs]
    return [(review, mirrored(review, "ba")) for review in reviews]


def _review(pair: Pair, judge: JudgeFolder, vectors: dict[str, np.ndarray]) -> Review:
    reference = vectors.get(pair.reference or "")
    if reference is None:
        return Review("ab", None, "", reason=NO_REFERENCE)
    blank_a, blank_b = not pair.answer_a.strip(), not pair.answer_b.strip()
    if blank_a or blank_b:
        preferred: Preference = "tie" if blank_a and blank_b else "second" if blank_a else "first"
        return Review("ab", preferred, json.dumps({"blank": [blank_a, blank_b]}), seconds=0.0, cost=0.0)
    a, b = (float(vectors[text] @ reference) for text in (pair.answer_a, pair.answer_b))
    scores = (round(a, 6), round(b, 6))
    return Review(
        "ab",
        preference(*scores, judge.tie_margin),
        json.dumps({"cosine": scores}),
        scores,
        seconds=0.0,
        cost=0.0,
    )


def _embedded(texts: Sequence[str], judge: JudgeFolder, progress: Progress) -> dict[str, np.ndarray]:
    """Each text's embedding: the mean of its windows' embeddings, of length 1."""
    parts = [windows(text, judge.window_chars) for text in texts]
    flat = [part for group in parts for part in group]
    chunks = []
    with progress(f"judge {judge.name}", len(flat)) as step:
        for start in range(0, len(flat), WINDOWS_AT_ONCE):
            chunk = flat[start : start + WINDOWS_AT_ONCE]
            chunks.append(embed(chunk, judge.embedder))
            step(len(chunk))
    if not chunks:
        return {}
    vectors = np.concatenate(chunks)
    starts = np.cumsum([0] + [len(group) for group in parts])[:-1]
    means = np.add.reduceat(vectors, starts, axis=0)
    means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
    return dict(zip(texts, means, strict=True))


def windows(text: str, most: int) -> list[str]:
    """The text in equal parts of at most ``most`` characters."""
    count = math.ceil(len(text) / most)
    size = math.ceil(len(text) / count)
    return [text[start : start + size] for start in range(0, len(text), size)]

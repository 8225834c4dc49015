"""Sentence and word counts for IFEval by NLTK's Punkt; an untrained one where the trained model is missing."""

from __future__ import annotations

import os

from handpicked.models.bundled import cache_folder
from handpicked.store import write_text

_FILES = ("collocations.tab", "sent_starters.txt", "abbrev_types.txt", "ortho_context.tab")


def ensure_punkt() -> str | None:
    """Make ``punkt_tab`` known to NLTK: the trained one where it is installed or can be had, else one
    that knows no abbreviations.

    Returns a note for the result in the second case. ``HF_HUB_OFFLINE`` keeps this from the network too.
    """
    import nltk

    offline = os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes")
    if _there() or (not offline and nltk.download("punkt_tab", quiet=True) and _there()):
        return None
    folder = cache_folder() / "untrained-punkt"
    for name in _FILES:
        write_text(folder / "tokenizers" / "punkt_tab" / "english" / name, "")
    nltk.data.path.append(str(folder))
    return _NOTE


_NOTE = (
    "sentences are split by an untrained Punkt, which knows no abbreviations: "
    "NLTK's punkt_tab is not installed "
    "(python -m nltk.downloader punkt_tab)"
)


def _there() -> bool:
    """Whether a trained punkt_tab is installed. Ours, once made, does not count."""
    import nltk

    roots = [root for root in nltk.data.path if not root.endswith("untrained-punkt")]
    try:
        nltk.data.find("tokenizers/punkt_tab", roots)
    except LookupError:
        return False
    return True

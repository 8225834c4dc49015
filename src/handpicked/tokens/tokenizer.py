"""Token counts at gigatoken's speed, equal to those of Hugging Face ``tokenizers``."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from handpicked.data.arrow import int64_array
from handpicked.errors import ConfigError, MissingPart, first_line
from handpicked.tokens.fast_count import encoded_lengths, fast_count

if TYPE_CHECKING:
    from handpicked.tokens.fast_count import Counts


logger = logging.getLogger(__name__)

EMBEDDED = Path(__file__).parent / "tokenizers" / "smollm2.json"
EMBEDDED_NAME = "SmolLM2-135M-Instruct"

# Texts on which a fast tokenizer must agree with the reference before it may count: scripts, numbers, white
# space before digits, contractions, code, control characters, private and unassigned code points, composed
# and decomposed letters.
PROBE = (
    "", " ", "\n", "  leading", "trailing  ", "The quick brown fox jumps over the lazy dog.", "I'm, you'LL, it's 'tis",
    "1234567890", "a  1", "a\n\n1. one\n\n2. two\n   3", "\t\t7\r\n\r\n8 \n 9", "x = {'a': [1, 2.5, -3e10]}  # 100%\n\n\n",
    "def f(x):\n        return x ** 2\n", "\u00e9 e\u0301 na\u00efve \u00bd \u00b2\u00b3 \u2160 \u0663\u0664 \uff11\uff12",
    "\u00a0\u00a05 \u3000\u30006 \u2003 7", "\u4f60\u597d\uff0c\u4e16\u754c\u3002\u4e00\u4e8c\u4e09",
    "\u3053\u3093\u306b\u3061\u306f \uc548\ub155", "\u041f\u0440\u0438\u0432\u0435\u0442 \u05e9\u05dc\u05d5\u05dd",
    "\u0645\u0631\u062d\u0628\u0627 \u0928\u092e\u0938\u094d\u0924\u0947",
    "\U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1fa\U0001f1f3",
    "\x00\x01\x04\x06\x13\x14\x16\x1d\x1f\x7f\x85", "\ue000\U00040000\U000e0001\U0010fffd",
    "<|endoftext|> <s></s> [INST] <|im_end|> 1", "https://example.org/a?b=c&d=%20#e", "a" * 50, " \n \t \n ",
    "...!!!???---___===",
)  # fmt: skip


@dataclass(frozen=True)
class TokenizerIdentity:
    """Which tokenizer counted: recorded in every manifest, since a length in tokens means nothing without it.

    ``sha256`` is that of ``file`` (tokenizer.json or SentencePiece .model). ``engine`` names the library that
    counts and ``note`` says, where there is something to say, why it is not the fast one or what it was
    checked against.
    """

    name: str
    file: str
    sha256: str
    engine: str
    note: str

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


@dataclass(frozen=True)
class Tokenizer:
    """Counts tokens of Arrow text. ``reference`` is Hugging Face's count, ``fast`` the one
    used where the probe agreed.
    """

    identity: TokenizerIdentity
    counts: Callable[[pa.LargeStringArray], np.ndarray]

    def count(self, texts: pa.Array) -> pa.Array:
        """Tokens of each text (int64), without added special tokens; null for null."""
        if isinstance(texts, pa.ChunkedArray):
            texts = texts.combine_chunks()
        present = texts.is_valid() if texts.null_count else None
        large = pc.cast(texts if present is None else pc.fill_null(texts, ""), pa.large_string())
        counted = int64_array(self.counts(large))
        return counted if present is None else pc.if_else(present, counted, pa.scalar(None, pa.int64()))


def load_counter(spec: str | None = None) -> Tokenizer:
    """The tokenizer named ``spec``: a folder, a tokenizer.json, a SentencePiece
    .model or a Hugging Face name.

    ``None`` is the embedded SmolLM2-135M-Instruct tokenizer, which needs no network.

    Raises:
        ConfigError: a path that holds no tokenizer.
        MissingPart: a hub name that cannot be fetched, or a library that the file needs.
    """
    return _load(spec)


@lru_cache(maxsize=4)
def _load(spec: str | None) -> Tokenizer:
    name, file = (EMBEDDED_NAME, EMBEDDED) if spec is None else (spec, tokenizer_file(spec))
    data = file.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if file.suffix == ".model":
        counts, engine, note = _sentencepiece(data, file)
    else:
        counts, engine, note = _tokenizer_json(data, file)
    logger.info("tokens are counted by %s (%s)", engine, note)
    return Tokenizer(TokenizerIdentity(name, file.name, digest, engine, note), counts)


def tokenizer_file(spec: str) -> Path:
    """The tokenizer.json or SentencePiece .model that ``spec`` names; raises as ``load_counter`` does."""
    path = Path(spec).expanduser()
    if path.is_dir():
        for file in (path / "tokenizer.json", path / "tokenizer.model"):
            if file.is_file():
                return file
        raise ConfigError(
            f"tokenizer: the folder {path} holds neither tokenizer.json nor tokenizer.model. "
            "Name a folder that a model or "
            "tokenizer was saved to."
        )
    if path.is_file():
        return path
    if path.suffix in {".json", ".model"} or path.is_absolute() or spec.startswith("."):
        raise ConfigError(f"tokenizer: there is no file {path}.")
    return _download(spec)


def _download(name: str) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(name, "tokenizer.json"))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise MissingPart(
            f"tokenizer: {name!r} is not a folder or file here, and its tokenizer.json could not be "
            "fetched from the Hugging Face "
            f"hub ({type(error).__name__}). Name a folder or a file, or leave --tokenizer out "
            "to use the embedded one, which "
            "needs no network."
        ) from error


def _tokenizer_json(data: bytes, file: Path) -> tuple[Counts, str, str]:
    """Fast counts where the probe agrees, else the reference."""
    import tokenizers

    try:
        reference = tokenizers.Tokenizer.from_str(data.decode("utf-8"))
    except Exception as error:
        raise ConfigError(
            f"tokenizer: {file} is not a tokenizer.json that Hugging Face tokenizers reads ({error})."
        ) from error
    reference.no_truncation()
    reference.no_padding()

    def slow(texts: pa.LargeStringArray) -> np.ndarray:
        encoded = reference.encode_batch_fast(texts.to_pylist(), add_special_tokens=False)
        return np.fromiter((len(one) for one in encoded), dtype=np.int64, count=len(encoded))

    engine = f"tokenizers {tokenizers.__version__}"
    fast, why_not = fast_count(orjson.loads(data), slow)
    if fast is None:
        return slow, engine, why_not
    different = _disagreement(fast, slow)
    if different is not None:
        return slow, engine, f"gigatoken counts the probe text {different!r} differently"
    return fast, _gigatoken_version(), f"checked against {engine} on {len(PROBE)} probe texts"


def _sentencepiece(data: bytes, file: Path) -> tuple[Counts, str, str]:
    try:
        import sentencepiece
    except ImportError as error:
        raise MissingPart(
            f"tokenizer: {file} needs the package sentencepiece (pip install sentencepiece)."
        ) from error

    try:
        reference = sentencepiece.SentencePieceProcessor(model_proto=data)
    except RuntimeError as error:
        raise ConfigError(f"tokenizer: {file} is not a SentencePiece model ({error}).") from error

    def slow(texts: pa.LargeStringArray) -> np.ndarray:
        return np.fromiter(
            (len(ids) for ids in reference.encode(texts.to_pylist())), dtype=np.int64, count=len(texts)
        )

    engine = f"sentencepiece {sentencepiece.__version__}"
    import gigatoken

    try:
        fast = encoded_lengths(gigatoken.Tokenizer.from_sentencepiece(data))
    except (RuntimeError, ValueError, NotImplementedError) as error:
        return slow, engine, f"gigatoken refuses it: {first_line(error)}"
    different = _disagreement(fast, slow)
    if different is not None:
        return slow, engine, f"gigatoken counts the probe text {different!r} differently"
    return fast, _gigatoken_version(), f"checked against {engine} on {len(PROBE)} probe texts"


def _disagreement(fast: Counts, slow: Counts) -> str | None:
    """The first probe text on which two counts differ."""
    texts = pa.array(PROBE, pa.large_string())
    for text, one, other in zip(PROBE, fast(texts), slow(texts), strict=True):
        if one != other:
            return text
    return None


def _gigatoken_version() -> str:
    return f"gigatoken {version('gigatoken')}"

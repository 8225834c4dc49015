"""Counts tokens by gigatoken, also for two kinds of tokenizers that it does not support.

* A byte-level vocabulary without an entry for every byte (SmolLM2's lacks some control characters): the
  missing bytes get unused entries, and texts that contain them go to the reference.
* Digits split one by one before GPT-2's pattern (SmolLM, StarCoder, Granite): gigatoken knows GPT-2's pattern
  alone. No merge of such a vocabulary touches a digit, so " 42" becomes the same tokens either way, with one
  exception: in a run of two or more white-space characters before a digit, GPT-2's pattern keeps the last one
  for the digit, while digits split first leave the run whole. ``_run_correction`` adds the difference, which
  depends on the run alone. Texts with other numbers than ASCII digits, or other white space in such a run, go
  to the reference."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from handpicked.data.arrow import int64_array
from handpicked.records import Json

if TYPE_CHECKING:
    import gigatoken

    Counts = Callable[[pa.LargeStringArray], np.ndarray]

GPT2 = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
CELLS = 4 << 20
PAYS = 16 << 20
BLOCK = 1 << 18
NEVER_IN_UTF8 = bytes([0xC0, 0xC1, *range(0xF5, 0x100)])
ASCII_SPACE = b"\t\n\v\f\r "


def fast_count(config: Json, reference: Counts) -> tuple[Counts | None, str]:
    """A fast count for the tokenizer.json ``config``, or ``None`` and why there is none.

    ``reference`` counts the texts that the fast way cannot. The caller still compares both on a probe.
    """
    import gigatoken

    digits = _splits_digits(config)
    if digits and not _digits_stand_alone(config):
        return None, "gigatoken cannot split digits, and this vocabulary merges them"
    missing = _missing_bytes(config)
    if digits or missing:
        config = _patched(config, missing, digits)
    try:
        tokenizer = gigatoken.Tokenizer.from_json(orjson.dumps(config))
    except (RuntimeError, ValueError, NotImplementedError) as error:
        return None, f"gigatoken refuses it: {str(error).strip().splitlines()[0]}"
    counts = encoded_lengths(tokenizer)
    return (counts if not (digits or missing) else _corrected(counts, reference, missing, digits)), ""


def encoded_lengths(tokenizer: gigatoken.Tokenizer) -> Counts:
    """Token counts of a gigatoken tokenizer, straight from the Arrow buffers.

    Its fast way in is an awkward array, whose import takes longer than counting all of Alpaca does. The first
    ``PAYS`` bytes therefore go another way: half as fast, with nothing to import.
    """
    nothing = len(tokenizer.encode(""))
    seen = 0

    def counts(texts: pa.LargeStringArray) -> np.ndarray:
        nonlocal seen

        offsets, data = text_buffers(texts)
        seen += len(data)
        if not len(data):  # gigatoken panics on a batch without a single byte
            return np.full(len(texts), nothing, dtype=np.int64)
        return _by_awkward(tokenizer, offsets, data) if seen > PAYS else _by_matrix(tokenizer, texts, nothing)

    return counts


def _by_awkward(tokenizer: gigatoken.Tokenizer, offsets: np.ndarray, data: np.ndarray) -> np.ndarray:
    import awkward as ak

    characters = ak.contents.NumpyArray(data, parameters={"__array__": "char"})
    strings = ak.contents.ListOffsetArray(
        ak.index.Index64(offsets), characters, parameters={"__array__": "string"}
    )
    encoded = tokenizer.encode_batch(ak.Array(strings))
    return np.diff(np.asarray(encoded.layout.offsets)).astype(np.int64, copy=False)


def _by_matrix(tokenizer: gigatoken.Tokenizer, texts: pa.LargeStringArray, nothing: int) -> np.ndarray:
    """By gigatoken's padded matrix, which is as wide as the longest text: so texts
    of like length go together.
    """
    import gigatoken

    sizes = np.diff(text_buffers(texts)[0])
    order = np.argsort(sizes, kind="stable")
    order = order[np.searchsorted(sizes[order], 1) :]  # it skips a text without a byte
    result = np.full(len(texts), nothing, dtype=np.int64)
    ordered = texts.take(int64_array(order))
    documents = ordered.cast(pa.large_binary()).to_pylist()
    for begin, end in _like_lengths(sizes[order]):
        _, lengths = tokenizer.encode_batch_padded(gigatoken.BytesSource(documents[begin:end]), 0)
        result[order[begin:end]] = lengths
    return result


def _like_lengths(sizes: np.ndarray) -> Iterator[tuple[int, int]]:
    """Runs of ascending ``sizes`` (bytes), each of which fits a matrix of ``CELLS`` at one
    token a byte, or is one text.
    """
    begin = 0
    while begin < len(sizes):
        over = np.arange(1, len(sizes) - begin + 1) * sizes[begin:] > CELLS
        count = int(over.argmax()) if over.any() else len(over)
        yield begin, begin + max(1, count)
        begin += max(1, count)


def _corrected(counts: Counts, reference: Counts, missing: bytes, digits: bool) -> Counts:
    correction = lru_cache(maxsize=65536)(lambda run: _run_correction(run, reference))

    def corrected(texts: pa.LargeStringArray) -> np.ndarray:
        result = counts(texts)
        offsets, data = text_buffers(texts)
        hard = _rows_with_bytes(data, offsets, missing)
        if digits:
            result = result + _digit_corrections(data, offsets, correction)
            hard |= _rows_with_other_numbers(texts)
        rows = np.flatnonzero(hard)
        if len(rows):
            result[rows] = reference(texts.take(pa.array(rows.tolist())))
        return result

    return corrected


def text_buffers(texts: pa.LargeStringArray) -> tuple[np.ndarray, np.ndarray]:
    """Offsets (int64, one more than texts, from 0) and bytes (uint8) of a large_string array,
    without copying the text.
    """
    _, offset_buffer, data = texts.buffers()
    offsets = np.frombuffer(offset_buffer, dtype=np.int64)[texts.offset : texts.offset + len(texts) + 1]
    if data is None or not len(offsets):
        return np.zeros(len(texts) + 1, dtype=np.int64), np.empty(0, dtype=np.uint8)
    return offsets - offsets[0], np.frombuffer(data, dtype=np.uint8)[offsets[0] : offsets[-1]]


def _rows_where(data: np.ndarray, offsets: np.ndarray, low: int, high: int) -> np.ndarray:
    """Which texts contain a byte from ``low`` to ``high`` (exclusive)."""
    rows = np.zeros(len(offsets) - 1, dtype=bool)
    filled = np.flatnonzero(offsets[1:] > offsets[:-1])
    if len(filled):
        starts = offsets[filled]
        if high == 0x100:
            rows[filled] = np.maximum.reduceat(data, starts) >= low
        else:  # subtracting first wraps the others round, so that one comparison finds a span
            shifted = data - np.uint8(low) if low else data
            rows[filled] = np.minimum.reduceat(shifted, starts) < high - low
    return rows


def _rows_with_bytes(data: np.ndarray, offsets: np.ndarray, wanted: bytes) -> np.ndarray:
    """Which texts contain one of the bytes ``wanted`` that can occur in UTF-8."""
    table = np.zeros(256, dtype=bool)
    table[[byte for byte in wanted if byte not in NEVER_IN_UTF8]] = True
    rows = np.zeros(len(offsets) - 1, dtype=bool)
    # Spans that leave out tab, line feed, carriage return and space, so that hardly any text needs a second
    # look.
    for low, high in ((0x00, 0x09), (0x0B, 0x0D), (0x0E, 0x20), (0x09, 0x0E), (0x20, 0x80), (0x80, 0x100)):
        inside = np.flatnonzero(table[low:high]) + low
        if len(inside):
            least = int(inside[0]) if low else 0  # the ends of all bytes need no subtraction
            rows |= _rows_where(data, offsets, least, high if high == 0x100 else int(inside[-1]) + 1)
    for row in np.flatnonzero(rows).tolist():
        rows[row] = table[data[offsets[row] : offsets[row + 1]]].any()
    return rows


def _after_two_spaces(data: np.ndarray) -> np.ndarray:
    """The places of ASCII digits after two bytes that may be white space.

    Block by block, because a block and its masks stay in the processor's cache: three
    times as fast as at one go.
    """
    found = [np.empty(0, dtype=np.int64)]
    space, digit = (np.empty(BLOCK, dtype=kind) for kind in (bool, bool))
    shifted = np.empty(BLOCK, dtype=np.uint8)
    for begin in range(0, len(data) - 2, BLOCK - 2):
        block = data[begin : begin + BLOCK]
        size = len(block) - 2
        np.less_equal(block, 0x20, out=space[: size + 2])
        np.subtract(block[2:], 0x30, out=shifted[:size])
        np.less(shifted[:size], 10, out=digit[:size])
        np.logical_and(digit[:size], space[1 : size + 1], out=digit[:size])
        np.logical_and(digit[:size], space[:size], out=digit[:size])
        if digit[:size].any():
            found.append(np.flatnonzero(digit[:size]) + (begin + 2))
    return np.concatenate(found)


def _digit_corrections(
    data: np.ndarray, offsets: np.ndarray, correction: Callable[[bytes], int]
) -> np.ndarray:
    """What to add to each text's count for its runs of two or more white-space characters before a digit.

    Runs of up to seven bytes, nearly all, are packed into one number each and looked up once a batch.
    """
    added = np.zeros(len(offsets) - 1, dtype=np.int64)
    ends = _after_two_spaces(data)
    ends = ends[_is_space(data[ends - 1]) & _is_space(data[ends - 2])]
    if not len(ends):
        return added
    rows = np.searchsorted(offsets, ends, side="right") - 1
    room = ends - offsets[rows]
    lengths = np.zeros(len(ends), dtype=np.int64)
    packed = np.zeros(len(ends), dtype=np.uint64)
    for back in range(1, 9):
        at = ends - back
        grows = (lengths == back - 1) & (room >= back) & _is_space(data[np.maximum(at, 0)])
        lengths += grows
        packed = np.where(
            grows, packed | (data[np.maximum(at, 0)].astype(np.uint64) << np.uint64(8 * (back - 1))), packed
        )
    short = (lengths > 1) & (lengths < 8)
    runs, which = np.unique(packed[short], return_inverse=True)
    amounts = [correction(int(run).to_bytes(8, "big").lstrip(b"\0")) for run in runs.tolist()]
    np.add.at(added, rows[short], np.array(amounts, dtype=np.int64)[which] if amounts else 0)
    for end, row in zip(ends[lengths == 8].tolist(), rows[lengths == 8].tolist(), strict=True):
        begin = end - 8
        while begin > offsets[row] and data[begin - 1] in ASCII_SPACE:
            begin -= 1
        added[row] += correction(data[begin:end].tobytes())
    return added


def _is_space(data: np.ndarray) -> np.ndarray:
    return np.asarray((data == 0x20) | ((data - 9) < 5))


def _run_correction(run: bytes, reference: Counts) -> int:
    """Tokens of a white-space run kept whole, less its tokens when its last character is separate."""
    whole, head, last = reference(
        pa.array([run.decode(), run[:-1].decode(), run[-1:].decode()], pa.large_string())
    )
    return int(whole - head - last)


# The first of each ten decimal digits of the basic plane beyond ASCII (Unicode category Nd).
DIGIT_ZEROS = (
    0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66, 0x0DE6, 0x0E50, 0x0ED0,
    0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0,
    0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10,
)  # fmt: skip


@lru_cache(maxsize=1)
def _other_numbers() -> str:
    """RE2 pattern: a number that is not an ASCII digit, or a white-space run before a
    digit that is not plain ASCII.
    """
    digits = "".join(f"\\x{{{zero:x}}}-\\x{{{zero + 9:x}}}" for zero in DIGIT_ZEROS)
    # Historic scripts and enclosed numbers beyond the basic plane: whole ranges, since new digits are still
    # added there.
    beyond = r"\x{10000}-\x{1efff}\x{1f100}-\x{1f10f}\x{1fbf0}-\x{1fbf9}"
    wide = r"\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}"
    space = rf"\t-\r {wide}"
    return rf"[\p{{Nl}}\p{{No}}{digits}{beyond}]|(?:[{space}][{wide}]|[{wide}][{space}])[{space}]*[0-9]"


def _rows_with_other_numbers(texts: pa.LargeStringArray) -> np.ndarray:
    offsets, data = text_buffers(texts)
    rows = _rows_where(data, offsets, 0x80, 0x100)
    beyond_ascii = np.flatnonzero(rows)
    if len(beyond_ascii):
        matches = pc.match_substring_regex(texts.take(pa.array(beyond_ascii.tolist())), _other_numbers())
        rows[beyond_ascii] = matches.to_numpy(zero_copy_only=False)
    return rows


def _splits_digits(config: Json) -> bool:
    """Whether the pre-tokenizer is individual digits, then GPT-2's pattern without a prefix space."""
    steps = (config.get("pre_tokenizer") or {}).get("pretokenizers") or []
    if len(steps) != 2 or config.get("normalizer") is not None:
        return False
    first, second = steps
    return (
        first.get("type") == "Digits"
        and bool(first.get("individual_digits"))
        and second.get("type") == "ByteLevel"
        and second.get("use_regex", True) is True
        and second.get("add_prefix_space") is False
    )


def _digits_stand_alone(config: Json) -> bool:
    """No merge contains an ASCII digit, and no added token touches the white space or digits around it."""
    merges = config["model"].get("merges", ())
    merged = "".join(itertools.chain.from_iterable(merges))
    added = config.get("added_tokens") or []
    return not any(digit in merged for digit in "0123456789") and not any(
        token.get("lstrip")
        or token.get("rstrip")
        or token["content"][:1].isnumeric()
        or token["content"][-1:].isspace()
        for token in added
    )


def _byte_letters() -> dict[int, str]:
    """GPT-2's printable letter for each byte."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    letters = {byte: chr(byte) for byte in printable}
    others = [byte for byte in range(256) if byte not in letters]
    return letters | {byte: chr(0x100 + index) for index, byte in enumerate(others)}


def _missing_bytes(config: Json) -> bytes:
    """Bytes without an entry in a byte-level BPE vocabulary."""
    model = config.get("model") or {}
    if (
        model.get("type") != "BPE"
        or model.get("byte_fallback")
        or "ByteLevel" not in json.dumps(config.get("pre_tokenizer"))
    ):
        return b""
    vocabulary = model["vocab"]
    return bytes(byte for byte, letter in _byte_letters().items() if letter not in vocabulary)


def _patched(config: Json, missing: bytes, digits: bool) -> Json:
    model = config["model"]
    letters = _byte_letters()
    taken = max([*model["vocab"].values(), *(token["id"] for token in config.get("added_tokens") or ())])
    unused = {letters[byte]: taken + 1 + index for index, byte in enumerate(missing)}
    patched = {**config, "model": {**model, "vocab": {**model["vocab"], **unused}}}
    return patched | {"pre_tokenizer": GPT2} if digits else patched

"""An audit as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from handpicked.pool_audit.record import Against, Audit, Copies, GuardFound, Lengths, Rendered, Values

REASONS, FIELDS, PAIRS, FOUND = 5, 12, 6, 3
QUANTILES = ("p5", "p25", "p50", "p75", "p95", "p99")
COPIES = {
    "exact": "repeat the messages of an earlier row",
    "near": "nearly repeat a longer row (80% of its 3-grams, by MinHash), besides those",
    "prompt": "have the prompt of an earlier row, and another response",
}
"""What each kind of copy is, of rows."""


def lines(audit: Audit) -> Iterator[str]:
    """The audit, section by section, without empty sections."""
    yield from _rows(audit)
    yield from _lengths(audit)
    yield from _conversations(audit)
    yield from _languages(audit)
    yield from _values("Sources", audit.sources)
    yield from _unread(audit)
    yield from _guards(audit)
    yield from _copies(audit)
    for one in audit.against:
        yield from _against(one, audit.readable)
    if audit.rendered is not None:
        yield from _rendered(audit.rendered)


def share(rows: int, of: int) -> str:
    """``1.2%``, with two significant digits; below a hundredth of a percent as it is."""
    if not of:
        return "–"
    percent = 100 * rows / of
    return f"{percent:.0f}%" if percent >= 10 or percent == 0 else f"{percent:.2g}%"


def _counted(rows: int, of: int, what: str) -> str:
    return f"  {rows:>11,} {share(rows, of):>7}  {what}"


def _rows(audit: Audit) -> Iterator[str]:
    files = audit.files[0].path if len(audit.files) == 1 else f"{len(audit.files)} files"
    yield f"{files}: {audit.rows:,} rows, {audit.readable:,} readable, {audit.rejected:,} rejected"
    if len(audit.files) > 1:
        for file in audit.files[:FIELDS]:
            rejected = f", {file.rejected:,} rejected" if file.rejected else ""
            yield f"  {file.rows:>11,}  {file.path} ({file.format}, {file.container}){rejected}"
        if len(audit.files) > FIELDS:
            yield f"  and {len(audit.files) - FIELDS} other files"
    for one in audit.rejections[:REASONS]:
        yield _counted(one.rows, audit.rows, f"rejected: {one.reason} ({one.file}, {one.place})")
    if len(audit.rejections) > REASONS:
        rest = audit.rejections[REASONS:]
        yield _counted(sum(one.rows for one in rest), audit.rows, f"rejected for {len(rest)} other reasons")


def _lengths(audit: Audit) -> Iterator[str]:
    by = audit.measure.tokenizer.get("name")
    yield f"Lengths in {audit.measure.unit}{f' of {by}' if by else ''}:"
    yield _line("", "rows", *("median" if q == "p50" else f"{q[1:]}%" for q in QUANTILES), "longest", "total")
    for one in audit.lengths:
        yield _length(one)


def _length(one: Lengths) -> str:
    if not one.rows:
        return _line(one.of, "0")
    quantiles = (f"{one.quantiles[q]:,.0f}" for q in QUANTILES)
    return _line(one.of, f"{one.rows:,}", *quantiles, f"{one.most:,}", f"{one.total:,}")


def _line(name: str, *cells: str) -> str:
    widths = (11, 7, 7, 7, 7, 7, 7, 9, 14)
    found = "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=False))
    return f"  {name:<9}{found}"


def _conversations(audit: Audit) -> Iterator[str]:
    found = audit.conversations
    turns = found.turns
    roles = ", ".join(f"{one.messages:,} {one.role}" for one in found.roles)
    middle = f"{turns.quantiles['p50']:,.0f}" if turns.rows else "–"
    yield f"Turns: {middle} in the median row, {turns.most or 0:,} at most; {roles}"
    if found.orders.others or len(found.orders.top) > 1:
        for order in found.orders.top[:REASONS]:
            yield _counted(order.rows, audit.readable, order.value)


def _languages(audit: Audit) -> Iterator[str]:
    found = audit.languages
    if found is not None and found.values.top:
        sample = f" (a random sample of {found.rows:,} answers)" if found.rows < found.of else ""
        yield from _values(f"Languages{sample}", found.values, 1)


def _values(title: str, values: Values, least: int = 2) -> Iterator[str]:
    """The most common values, where there are at least ``least``."""
    if len(values.top) + values.others < least:
        return
    yield f"{title}: {len(values.top) + values.others:,}"
    total = sum(one.rows for one in values.top) + values.other_rows + values.none
    for one in values.top[:REASONS]:
        yield _counted(one.rows, total, _plain(one.value))
    rest = sum(one.rows for one in values.top[REASONS:]) + values.other_rows
    if rest:
        yield _counted(rest, total, f"{len(values.top[REASONS:]) + values.others:,} others")
    if values.none and values.top and least == 1:
        yield _counted(values.none, total, "none recognised")


def _unread(audit: Audit) -> Iterator[str]:
    if audit.unread:
        yield "Fields that are not part of the conversation:"
    for one in audit.unread[:FIELDS]:
        looked = f" of the first {one.of:,}" if one.of < audit.rows else ""
        yield f"  {one.rows:>11,}  {'turns' if '[].' in one.field else 'rows'}{looked} have '{_plain(one.field)}'"
    if len(audit.unread) > FIELDS:
        yield f"  and {len(audit.unread) - FIELDS} other fields"


def _guards(audit: Audit) -> Iterator[str]:
    yield "Rows that filters would drop (select --guard NAME drops them):"
    for one in by_rows(audit.guards):
        such = f" (such as {one.shown[0].file}, row {one.shown[0].place:,})" if one.shown else ""
        yield _counted(one.rows, audit.readable, f"{one.name}: {one.rule}{such}")
        for values in one.values:
            for value in values.top[:FOUND]:
                yield f"  {value.rows:>11,}            {_plain(value.value)}"
    nothing = [one.name for one in audit.guards if not one.rows]
    if nothing:
        yield _counted(0, audit.readable, ", ".join(nothing))
    for lacking in audit.not_audited:
        yield f"            –       –  {lacking.name}: not looked at: {lacking.why}"


def by_rows(guards: Sequence[GuardFound]) -> list[GuardFound]:
    """The guards that found something, those with most rows first."""
    return sorted((one for one in guards if one.rows), key=lambda one: -one.rows)


def _copies(audit: Audit) -> Iterator[str]:
    yield "Copies:"
    for one in audit.copies:
        across = f", {one.across:,} of them of a row in another file" if len(audit.files) > 1 else ""
        yield _counted(one.rows, audit.readable, f"{COPIES[one.kind]}{across}")
        if len(audit.files) > 1:
            yield from _pairs(one)


def _pairs(copies: Copies) -> Iterator[str]:
    apart = [one for one in copies.files if one.file != one.repeats]
    for one in apart[:PAIRS]:
        yield f"  {one.rows:>11,}          of {one.file} are in {one.repeats}"
    if len(apart) > PAIRS:
        yield f"                       and {len(apart) - PAIRS} other pairs of files"


def _against(one: Against, readable: int) -> Iterator[str]:
    left_out = f" ({one.unreadable:,} more cannot be read)" if one.unreadable else ""
    yield f"In common with {one.file}, {one.items:,} {one.kind}{left_out}:"
    common = one.common
    if one.kind == "rows":
        yield _counted(common.conversations, readable, "rows have the same messages")
    yield _counted(common.prompts, readable, "rows have the same prompt")
    yield _counted(common.overlaps, readable, "rows have 13 words in a row of a prompt, or a short one whole")
    for match in one.shown[:1]:
        such = f" (such as {match.row.file}, row {match.row.place:,}, and number {match.item:,} there)"
        yield _counted(common.rows, readable, f"rows in all{such}")


def _rendered(one: Rendered) -> Iterator[str]:
    sample = f"a random sample of {one.rows:,} rows" if one.rows < one.of else f"{one.rows:,} rows"
    yield f"Chat template {one.template}, by the tokenizer {one.tokenizer}, on {sample}:"
    yield _counted(one.refused, one.rows, "are refused, and left out of training")
    for reason in one.reasons[:REASONS]:
        yield _counted(reason.rows, one.rows, f"  {reason.reason} ({reason.file}, {reason.place})")
    left = one.rows - one.refused
    if not left:
        yield "  It refuses every row, so nothing else is known about it. Set another template."
        return
    if one.as_text:
        yield _counted(
            one.as_text, left, "have thoughts or tool calls that it cannot render: learned as text"
        )
    if one.unshown_tools:
        yield _counted(one.unshown_tools, left, "declare tools that it does not show")
    if one.unlearned:
        yield f"  {one.unlearned:>11,}          earlier turns are not learned: it shows them differently from inference"
    q = one.lengths.quantiles
    yield f"  Tokens of a whole row: {q['p50']:,.0f} median, {q['p95']:,.0f} at 95%, {q['p99']:,.0f} at 99%, {one.lengths.most:,} at most"
    if one.max_length is not None and one.cut is not None and one.no_response is not None:
        yield f"  At {one.max_length:,} tokens:"
        yield _counted(one.cut, left, "rows are cut")
        yield _counted(one.no_response, left, "of them have no response left, and are left out of training")
        yield _counted(one.tokens_lost or 0, one.tokens, "tokens are lost")


def _plain(text: str) -> str:
    """Foreign text on one line, without terminal control characters."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text[:200])

"""``handpicked audit``: what is in a pool, before anything is selected from it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from handpicked.cli import options
from handpicked.cli.bars import bars
from handpicked.cli.terminal import complain, say

FAILED = 3

Others = Annotated[
    list[str] | None,
    typer.Option(help="Find overlap with evaluation prompts or rows; may be given again."),
]
Rules = Annotated[
    list[str] | None,
    typer.Option(
        metavar="RULE", help='Exit with code 3 if this holds, e.g. "duplicates>1%"; may be given again.'
    ),
]
Limits = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="A filter with another limit; may be given again."),
]


def audit(
    pool: options.PoolFiles,
    *,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder for audit.html and audit.json.")
    ] = None,
    against: Others = None,
    fail_on: Rules = None,
    max_length: Annotated[
        int | None, typer.Option(help="Count what a trainer cuts at this many tokens.")
    ] = None,
    template: Annotated[str | None, typer.Option(help="Chat template to try on the rows.")] = None,
    model: Annotated[str | None, typer.Option(help="Model whose tokenizer and chat template to try.")] = None,
    sample: Annotated[int, typer.Option(min=1, help="Try the template on at most this many rows.")] = 20_000,
    measure: Annotated[str, typer.Option(help="Lengths in tokens, words, nltk or chars.")] = "tokens",
    tokenizer: options.TokenizerName = None,
    guard: Limits = None,
    reading: options.ReadingOptions,
    as_json: options.Json = False,
) -> None:
    """Show what is in a pool: rejected rows, lengths, turns, what filters would drop, copies, leaks."""
    from handpicked.pool_audit.files import check_out, write
    from handpicked.pool_audit.make import make_audit
    from handpicked.pool_audit.plan import plan_audit
    from handpicked.pool_audit.rules import failures, needs_all, parse_rules
    from handpicked.pool_audit.text import lines as audit_lines
    from handpicked.records import to_json

    plan = plan_audit(
        against=against or (), measure=measure, tokenizer=tokenizer,
        template=template, model=model, max_length=max_length, guards=guard or (),
    )  # fmt: skip
    rules = parse_rules(fail_on or (), plan)
    plan = dataclasses.replace(plan, sample=None if needs_all(rules) else sample)
    if out is not None:
        check_out(out)
    rows = reading.read(pool)
    say(f"{rows.format}: {rows.why}")
    with bars() as progress:
        found = make_audit(rows, plan, progress)
    if out is not None:
        page = write(found, out)
        say(f"{page} and {out / 'audit.json'} are written")
    if as_json:
        print(to_json(found))
    else:
        for line in audit_lines(found):
            print(line)
    failed = failures(found, rules)
    if failed:
        complain("\n".join(failed))
        raise typer.Exit(FAILED)

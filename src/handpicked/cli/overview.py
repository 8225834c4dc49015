"""``handpicked methods`` and ``handpicked doctor``: the available methods, and what this machine can run."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from handpicked.cli.options import Json

Assume = Annotated[
    str | None, typer.Option(help="Say which experiments another machine could run, such as 8xH100-80GB.")
]


def methods(
    name: Annotated[str | None, typer.Argument(help="One method, with all of its settings.")] = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema of the experiment file.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Every selector, scorer, measure, filter, judge and benchmark: what it does, its source,
    cost, needs and settings.
    """
    from handpicked.experiment import methods as known
    from handpicked.experiment.reference import experiment_schema

    if schema:
        print(json.dumps(experiment_schema(), indent=1))
        return
    if name is not None:
        entries = known.explained(name)
        print(
            json.dumps(list(map(asdict, entries))) if as_json else "\n".join(map(known.explanation, entries))
        )
        return
    found = known.listed()
    if as_json:
        print(json.dumps({kind: list(map(asdict, entries)) for kind, entries in found.items()}))
        return
    print(known.text_of(found))


def doctor(assume: Assume = None, as_json: Json = False) -> None:
    """What this machine can run: devices, parts, versions that clash, hub, keys, disk, experiments."""
    from handpicked.experiment.doctor import examine, text_of

    findings = examine(Path("runs"), assume)
    print(json.dumps([asdict(finding) for finding in findings]) if as_json else text_of(findings))

"""``handpicked fetch``: brings data sets onto this machine before they are needed."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from handpicked.cli import options
from handpicked.errors import ConfigError


def fetch(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Named data sets such as alpaca, or owner/name on the hub; without any, list the named ones."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Also copy named data sets into this folder.")
    ] = None,
    split: options.SplitName = None,
    config: options.ConfigName = None,
    as_json: options.Json = False,
) -> None:
    """Download data sets into the cache, check their sha256, and print their paths; no network is needed
    later.
    """
    from handpicked.data import named, paths
    from handpicked.store import writing

    if not names:
        _list(as_json)
        return
    bare = [one for one in names if "/" not in one and ":" not in one and not Path(one).exists()]
    requested = [f"{named.PREFIX}{one}" if one in bare else one for one in names]
    others = [one for one in requested if not named.is_named(one)]
    if others and out is not None:
        raise ConfigError(f"-o copies named data sets only; {others[0]} stays in the cache of the hub.")
    if not others and (split or config):
        raise ConfigError("--split and --config are for data sets on the hub; a named data set is one file.")
    fetched = []
    for one in requested:
        local = named.is_named(one)
        if not local and Path(one).expanduser().exists():
            raise ConfigError(f"{one} is on this machine already; there is nothing to fetch.")
        for found in paths.files(one, None if local else split, None if local else config)[0]:
            place = found.path
            if out is not None:
                with writing(out):
                    out.mkdir(parents=True, exist_ok=True)
                    place = out / (named.lookup(one).file + (".gz" if found.path.suffix == ".gz" else ""))
                    if not (place.exists() and place.samefile(found.path)):
                        shutil.copyfile(found.path, place)
            fetched.append({"name": found.name, "path": str(place), **found.origin})
    if as_json:
        print(json.dumps(fetched))
        return
    for entry in fetched:
        print(f"{entry['name']}  {entry['path']}")


def _list(as_json: bool) -> None:
    from handpicked.data.named import NAMED, PREFIX

    if as_json:
        print(json.dumps([asdict(one) for one in NAMED.values()]))
        return
    width = max(map(len, NAMED))
    for name, one in NAMED.items():
        print(f"{PREFIX}{name:<{width}}  {one.about}; licence: {one.licence}")
        print(f"{'':<{len(PREFIX) + width}}  {one.url}")

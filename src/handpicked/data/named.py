"""Named data sets: what the shipped experiments read, each pinned to a revision and, where known, a sha256.

``named:alpaca`` is looked for in the folder HANDPICKED_DATA, then in the cache, then fetched from where it is
published. Nothing is shipped: each file keeps its own licence.
"""

from __future__ import annotations

import gzip
import hashlib
import http.client
import json
import logging
import os
import shutil
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from handpicked.data import hub
from handpicked.data.files.container import DAMAGED
from handpicked.data.found import Found
from handpicked.data.remote import cache_folder
from handpicked.errors import PoolError, did_you_mean, first_line
from handpicked.store import write_text, writing

log = logging.getLogger(__name__)

PREFIX = "named:"
FOLDER = "HANDPICKED_DATA"
"""The environment variable with a folder of files that are there already (or one
folder below), packed or not.
"""
GITHUB = "https://raw.githubusercontent.com"
BLOCK = 1 << 20
PATIENCE = 60
"""Seconds to wait for a piece of a file."""


@dataclass(frozen=True)
class Named:
    """One published file. ``host`` is hub (a data set there) or github; ``sha256`` is that of the file, None
    where the revision alone pins it. ``part_of`` is a Parquet table whose rows with a value in a field are
    the file's, as (table, field, value).
    """

    name: str
    about: str
    host: str
    repository: str
    revision: str
    path: str
    sha256: str | None
    licence: str
    file: str
    part_of: tuple[str, str, str] | None = None

    @property
    def url(self) -> str:
        """Where it is published."""
        if self.host == "hub":
            return hub.Place(self.repository).url(self.revision, self.path)
        return f"{GITHUB}/{self.repository}/{self.revision}/{self.path}"


_ALPAGASUS = "95ad3e52510df8c0a2f0dd6cbe50b501acde83a1"
NAMED = {
    one.name: one
    for one in (
        Named("alpaca", "Alpaca: 52,002 instructions with answers of text-davinci-003", "github",
              "tatsu-lab/stanford_alpaca", "761dc5bfbdeeffa89b8bff5d038781a4055f796a", "alpaca_data.json",
              "2eddafc6b977608d778aaab8dfc7e50e547b3af9826dfb9e909d9fc362e4a419", "CC-BY-NC-4.0", "alpaca_data.json"),
        Named("dolly", "Dolly: 15,011 instructions with answers of people", "hub",
              "databricks/databricks-dolly-15k", "bdd27f4d94b9c1f951818a7da7fd7aeea5dbff1a",
              "databricks-dolly-15k.jsonl", "2df9083338b4abd6bceb5635764dab5d833b393b55759dffb0959b6fcbf794ec",
              "CC-BY-SA-3.0", "databricks-dolly-15k.jsonl"),
        Named("wizardlm-70k", "WizardLM: 70,000 evolved instructions with answers of ChatGPT", "hub",
              "WizardLMTeam/WizardLM_evol_instruct_70k", "16b48bd8eecad79d4f42e1ab641db317e1b27443",
              "alpaca_evol_instruct_70k.json", None, "see its card", "alpaca_evol_instruct_70k.json"),
        Named("vicuna", "80 prompts of Vicuna", "github", "gpt4life/alpagasus", _ALPAGASUS,
              "test_data/vicuna_test_set.jsonl",
              "590c39157bc561eadd7f03cad4be18c2b597f93029780af65f86718f39eafa87", "Apache-2.0 (FastChat)",
              "vicuna_test_set.jsonl"),
        Named("koala", "180 prompts of Koala", "github", "gpt4life/alpagasus", _ALPAGASUS,
              "test_data/koala_test_set.jsonl",
              "c8cda5c53810dc30aad34fabbb828fe3eba0957119e00916650c971905d19886", "Apache-2.0 (Koala)",
              "koala_test_set.jsonl"),
        Named("wizardlm", "218 prompts of WizardLM", "github", "gpt4life/alpagasus", _ALPAGASUS,
              "test_data/wizardlm_test_set.jsonl",
              "1a39103c4ad7e0b68a0f7ed770f13a60cc60749418263dafb20cfe8f5e51901e", "none stated (research)",
              "wizardlm_test_set.jsonl"),
        Named("self-instruct", "252 prompts of Self-Instruct", "github", "gpt4life/alpagasus", _ALPAGASUS,
              "test_data/sinstruct_test_set.jsonl",
              "81d60a117db495cecedecd9193504fd07c5b5a42f6699ef6b0f9da10fc22f42e", "Apache-2.0 (Self-Instruct)",
              "sinstruct_test_set.jsonl"),
        Named("lima", "300 test prompts of LIMA", "github", "tml-epfl/long-is-more-for-alignment",
              "5466f17fefef8c41252f92338bd5717af857ae34", "data/test/lima_test.jsonl",
              "4584225a820754afd473de7a37c2ff912cd9a4b6ae44ec5c7419d6e875f01fac", "CC-BY-NC-SA-4.0 or stricter",
              "lima_test.jsonl"),
        Named("alpaca-eval-gpt4", "GPT-4's answers to the 805 prompts of AlpacaEval", "github",
              "tatsu-lab/alpaca_eval", "cd543a149df89434d8a54582c0151c0b945c3d20",
              "results/gpt4/model_outputs.json",
              "9c5149c146fadc99285f23abbaec2a62ba94ffa35c1dddacb70686571d9d780e", "CC-BY-NC-4.0",
              "alpaca-eval-gpt4.json", ("alpaca_eval_model_outputs.parquet", "model_dir", "gpt4")),
    )
}  # fmt: skip
"""Every one of them, by name."""


def is_named(name: str) -> bool:
    """Whether a path is one of a named data set."""
    return name.startswith(PREFIX)


def hint(name: str) -> str:
    """What to write instead of a path that does not exist where a data set is named so."""
    return f" The data set of this name is {PREFIX}{name}." if name in NAMED else ""


def lookup(name: str) -> Named:
    """The data set of that name, with or without ``named:``. Raises PoolError for another name."""
    plain = name.removeprefix(PREFIX)
    if plain not in NAMED:
        raise PoolError(f"{name}: no data set has this name.{did_you_mean(plain, NAMED)}")
    return NAMED[plain]


def is_at_hand(name: str) -> bool:
    """Whether a named data set is on this machine already, by the names of its files: nothing is read, so
    that a file that is damaged or another counts. Raises PoolError for an unknown name.
    """
    one = lookup(name)
    if one.host == "hub" and hub.is_cached(hub.Place(one.repository, one.revision, one.path)):
        return True
    if (cache_folder() / "named" / str(one.sha256)[:16] / one.file).is_file():
        return True
    given = os.environ.get(FOLDER)
    tables = () if one.part_of is None else (one.part_of[0],)
    return bool(given and _named_so(Path(given).expanduser(), one.file, f"{one.file}.gz", *tables))


def fetch(name: str) -> Found:
    """The file of a named data set on this machine: from HANDPICKED_DATA, the cache,
    or where it is published.

    Raises PoolError where it cannot be fetched, or is not the file that belongs to the name.
    """
    one = lookup(name)
    origin = {"url": one.url, "licence": one.licence}
    held = _held(one)
    if held is not None:
        return Found(held, f"{PREFIX}{one.name}", origin)
    if one.host == "hub":
        place = hub.Place(one.repository, one.revision, one.path)
        try:
            (found,), _ = hub.fetch(place, None, None)
        except PoolError as error:
            raise (_offline(one) if hub.is_offline() else error) from error
        _check(one, _sha256(found.path), found.name)
        return Found(found.path, f"{PREFIX}{one.name}", {**found.origin, **origin})
    return Found(_fetched(one), f"{PREFIX}{one.name}", origin)


def _held(one: Named) -> Path | None:
    """The file in the folder HANDPICKED_DATA, if it is there and is the right one."""
    given = os.environ.get(FOLDER)
    if not given:
        return None
    folder = Path(given).expanduser()
    for file in _named_so(folder, one.file, f"{one.file}.gz"):
        if one.sha256 is None or _sha256(file) == one.sha256:
            return file
        log.warning("%s is not the published %s and is not taken", file, one.name)
    if one.part_of is not None:
        for table in _named_so(folder, one.part_of[0]):
            if (found := _cut_out(one, table, *one.part_of[1:])) is not None:
                return found
    return None


def _named_so(folder: Path, *names: str) -> list[Path]:
    """The files of these names in a folder, or right in one of its folders."""
    below = [path for name in names for path in sorted(folder.glob(f"*/{name}"))]
    return [file for file in (*(folder / name for name in names), *below) if file.is_file()]


def _cut_out(one: Named, table: Path, field: str, value: str) -> Path | None:
    """The published file, put together again from its rows in a larger table; None where its hash differs."""
    rows = pq.read_table(table, filters=[(field, "=", value)]).drop_columns([field]).to_pylist()
    text = json.dumps(rows, indent=2, separators=(",", ":")).replace("/", "\\/")  # as pandas wrote it
    if hashlib.sha256(text.encode()).hexdigest() != one.sha256:
        return None
    place = _place(one)
    write_text(place, text)
    return place


def _place(one: Named) -> Path:
    """Where the cache has the file."""
    place = cache_folder() / "named" / str(one.sha256)[:16] / one.file
    with writing(place.parent):
        place.parent.mkdir(parents=True, exist_ok=True)
    return place


def _fetched(one: Named) -> Path:
    place = _place(one)
    if place.is_file() and _sha256(place) == one.sha256:
        return place
    if hub.is_offline():
        raise _offline(one)
    log.info("fetching %s", one.url)
    with writing(place.parent), tempfile.NamedTemporaryFile(dir=place.parent, delete=False) as aside:
        try:
            with urllib.request.urlopen(one.url, timeout=PATIENCE) as answer:
                shutil.copyfileobj(answer, aside, BLOCK)
            aside.flush()
            _check(one, _sha256(Path(aside.name)), one.url)
            Path(aside.name).replace(place)
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            raise PoolError(
                f"{PREFIX}{one.name} cannot be fetched from {one.url}: "
                f"{first_line(error)}. Check the connection "
                f"and try again, or put the file into a folder and set {FOLDER} to it."
            ) from error
        finally:
            Path(aside.name).unlink(missing_ok=True)
    return place


def _offline(one: Named) -> PoolError:
    return PoolError(
        f"{PREFIX}{one.name} is neither in the folder {FOLDER} nor in the cache, "
        "and this machine is set to be "
        f"offline. Fetch it elsewhere (handpicked fetch {one.name} -o FOLDER) "
        f"and set {FOLDER} to that folder."
    )


def _check(one: Named, sha256: str, where: str) -> None:
    if one.sha256 is not None and sha256 != one.sha256:
        raise PoolError(
            f"{where} is not the file of {PREFIX}{one.name}: its "
            f"sha256 is {sha256[:16]}..., not "
            f"{one.sha256[:16]}.... It broke on the way, or was replaced; try again, "
            "or give your own file by path."
        )


def _sha256(file: Path) -> str:
    """The sha256 of what a file holds, unpacked."""
    found = hashlib.sha256()
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream:
            while piece := stream.read(BLOCK):
                found.update(piece)
    except DAMAGED as error:
        raise PoolError(f"{file} cannot be read to its end: {error or 'it is cut short'}") from error
    return found.hexdigest()

"""One mutated file, and what the command must do with it: read every row, reject it with a reason, or
refuse the file in words.
"""

from __future__ import annotations

import gc
import json
import os
import random
import resource
import shutil
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.fuzz.counting import rows_in
from benchmarks.fuzz.mutate import mutated
from benchmarks.fuzz.originals import answers, flat_rows, originals

KEY = "sk-fuzz-0123456789-secret"
GROWTH_MB = 1500
"""Memory that one small file may cost, in MiB, at most."""
LONGEST_LINE = 2000


@dataclass(frozen=True)
class Case:
    """A mutated file: the command, its name and its bytes. ``seed`` and ``number`` make it again."""

    seed: str
    number: int
    command: str
    name: str
    data: bytes


@dataclass(frozen=True)
class Ended:
    """How the command ended."""

    code: object
    out: str
    said: str


def is_made(seed: str) -> bool:
    """Whether files of made rows are changed, the same on every machine: where the
    seed begins with ``made``.
    """
    return seed.startswith("made")


def case_of(seed: str, number: int) -> Case:
    rng = random.Random(f"{seed} {number}")
    original = rng.choice(originals(is_made(seed)))
    return Case(seed, number, original.command, original.name, mutated(original.name, original.data, rng))


def problem_of(case: Case, folder: Path, url: str) -> str | None:
    """What is wrong with what the command does with the file, or ``None``. ``folder`` is emptied first."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    file, out = folder / case.name, folder / "out"
    file.write_bytes(case.data)
    if case.command == "judge":
        rows = answers(flat_rows(is_made(case.seed)), "one")
        (folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ended = run(_words(case, file, out, url), folder)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10
    if grown > GROWTH_MB:
        return f"{grown} MiB of memory for a file of {len(case.data):,} bytes"
    found = manners(ended)
    if found is None and KEY in ended.out + ended.said:
        found = "the key was printed"
    if found is None and ended.code == 0:
        found = ACCOUNTS[case.command](case, out, ended)
    return found and f"{found}\n{ended.said[-3000:]}"


def _words(case: Case, file: Path, out: Path, url: str) -> list[str]:
    rng = random.Random(case.number)
    if case.command == "select":
        how = rng.choice(
            [
                ["--by", "longest"],
                ["--by", "shortest", "--turns", "all"],
                ["--by", "random"],
                ["--by", "full"],
            ]
        )
        form = rng.choice([[], [], ["--format", "messages"], ["--container", "parquet"]])
        size = [] if "full" in how else rng.choice([["--fraction", "0.5"], ["--size", "2"]])
        return [
            "select",
            str(file),
            "-o",
            str(out),
            "--measure",
            rng.choice(["chars", "words"]),
            *how,
            *size,
            *form,
            "--json",
        ]
    if case.command == "judge":
        asked = ["--judge", "scores", "--model", "m", "--base-url", url, "--concurrency", "4"]
        return ["judge", str(out.parent / "a.jsonl"), str(file), *asked, "-o", str(out), "--json"]
    if case.command == "replay":
        return ["judge", "--replay", str(file), "-o", str(out), "--json"]
    return ["run", str(file), "--dry-run"]


def run(words: list[str], folder: Path) -> Ended:
    """The command line in this very process, with its streams in files."""
    from handpicked.cli.boundary import main

    sys.stdout.flush()
    kept = [os.dup(1), os.dup(2)]
    files = [folder / "stdout.txt", folder / "stderr.txt"]
    argv = sys.argv
    code: object = 0
    try:
        for number, file in enumerate(files, 1):
            made = os.open(file, os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
            os.dup2(made, number)
            os.close(made)
        sys.argv = ["handpicked", *words]
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        except BaseException:  # noqa: BLE001 (as the interpreter would: a traceback, and exit code 1)
            traceback.print_exc()
            code = 1
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        sys.argv = argv
        gc.unfreeze()
        for number, old in enumerate(kept, 1):
            os.dup2(old, number)
            os.close(old)
    return Ended(code, *(file.read_text("utf-8", "replace") for file in files))


def manners(ended: Ended) -> str | None:
    """Exit code 0 or 2, no traceback, and with 2 a line of ours that can be read."""
    if ended.code not in (0, 2):
        return f"exit code {ended.code}"
    if "Traceback" in ended.said or "Exception ignored" in ended.said:
        return "a traceback"
    lines = [line for line in ended.said.splitlines() if line.startswith("handpicked: ")]
    if ended.code == 2 and not lines:
        return "refused without a line that says why"
    if ended.code == 2 and any(len(line) > LONGEST_LINE for line in lines):
        return "refused in a line that nobody can read"
    if ended.code == 2 and len(lines) != len(ended.said.splitlines()):
        return "refused in more than lines of ours"
    return None


def _selected(case: Case, out: Path, ended: Ended) -> str | None:
    """Rows in = kept + dropped + rejected; each row is listed once, as scored or as rejected; as many
    as the independent count.
    """
    summary = json.loads(ended.out)
    dropped = sum(part["rows"] for part in summary["dropped"])
    if summary["pool"] != summary["kept"] + dropped + summary["rejected"]:
        return f"{summary['pool']} rows are not {summary['kept']} kept + {dropped} dropped + {summary['rejected']} rejected"
    rejected = [
        json.loads(line)["row"] for line in (out / "rejected.jsonl").read_text("utf-8").split("\n") if line
    ]
    listed = pq.read_table(out / "scores.parquet", columns=["row", "id"]).to_pylist()
    without = [row["row"] for row in listed if row["id"] is None]
    if [row["row"] for row in listed] != list(range(summary["pool"])) or rejected != without:
        return f"{len(listed)} rows in scores.parquet, {len(rejected)} in rejected.jsonl, {summary['pool']} in the pool"
    kept = _rows_written(out)
    if kept != summary["kept"]:
        return f"{kept} rows written, {summary['kept']} reported"
    counted = rows_in(case.name, case.data)
    return (
        None if counted in (None, summary["pool"]) else f"{counted} rows counted, {summary['pool']} reported"
    )


def _rows_written(out: Path) -> int:
    files = sorted(out.glob("selected*"))
    if files[0].suffix == ".parquet":
        return int(pq.read_metadata(files[0]).num_rows)
    if files[0].suffix == ".csv" or files[0].suffix == ".tsv":
        return rows_in(files[0].name, files[0].read_bytes()) or 0
    return sum(1 for line in files[0].read_bytes().split(b"\n") if json.loads(line or b"0"))


def _judged(case: Case, out: Path, ended: Ended) -> str | None:
    """Every prompt of the sound file is paired or reported as unpaired; every pair has a verdict, whose
    scores are the endpoint's.
    """
    pairs = _lines(out / "pairs.jsonl")
    unpaired = json.loads((out / "unpaired.json").read_text("utf-8"))
    expected = len(answers(flat_rows(is_made(case.seed)), "one"))
    if len(pairs) + len(unpaired["only_a"]) != expected:
        return f"{len(pairs)} pairs and {len(unpaired['only_a'])} unpaired prompts are not the {expected} prompts of a.jsonl"
    verdicts = _lines(out / "verdicts.jsonl")
    if len(verdicts) != len(pairs) or json.loads(ended.out)["pairs"] != len(pairs):
        return f"{len(verdicts)} verdicts on {len(pairs)} pairs"
    scores = {tuple(review["scores"] or ()) for verdict in verdicts for review in verdict["reviews"]}
    return None if scores <= {(8.0, 7.0)} else f"scores {scores} that the endpoint did not give"


def _replayed(case: Case, out: Path, ended: Ended) -> str | None:
    reported, counted = json.loads(ended.out)["pairs"], rows_in(case.name, case.data)
    return None if counted in (None, reported) else f"{counted} reviews counted, {reported} reported"


def _lines(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text("utf-8").split("\n") if line]


def _nothing(case: Case, out: Path, ended: Ended) -> None:
    """An experiment's dry run counts nothing here."""


ACCOUNTS = {"select": _selected, "judge": _judged, "replay": _replayed, "run": _nothing}
assert pa  # pyarrow is loaded before memory is measured

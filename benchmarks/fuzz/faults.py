"""Wrong answers of an endpoint, where there is a table of them: a judge meets each, and must end in words."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from benchmarks.fuzz.case import manners, run
from benchmarks.fuzz.originals import answers, flat_rows


def faults() -> tuple[Any, ...]:
    """The faults of ``benchmarks.http_faults`` that take no time, or none where that table is not there."""
    try:
        from benchmarks.http_faults import FAULTS
    except ImportError:
        return ()
    return tuple(fault for fault in FAULTS if not (fault.hang or fault.endless or fault.pause))


def problem_with_fault(fault: Any, folder: Path) -> str | None:
    """What is wrong with how ``judge`` meets the fault, or ``None``."""
    from benchmarks.http_faults import KEY, serving_fault
    from handpicked.endpoint import Retry, complete

    assert complete.__kwdefaults__ is not None
    complete.__kwdefaults__["retry"] = Retry(2, 2, 0.01, 0.02, 1.0)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in "ab":
        rows = answers(flat_rows(made=True)[:2], name)
        (folder / f"{name}.jsonl").write_text(
            "".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8"
        )
    with serving_fault(fault) as server:
        asked = ["--judge", "scores", "--model", "m", "--base-url", server.url, "--concurrency", "1"]
        files = [str(folder / "a.jsonl"), str(folder / "b.jsonl")]
        ended = run(["judge", *files, *asked, "-o", str(folder / "out"), "--json"], folder)
    shown = (
        ended.out
        + ended.said
        + "".join(
            path.read_text("utf-8", "replace") for path in (folder / "out").rglob("*") if path.is_file()
        )
    )
    found = "the key is shown or kept" if KEY in shown else None if ended.code == 2 else manners(ended)
    if ended.code == 2 and "Traceback" in ended.said:
        found = "a traceback"
    return found and f"HTTP fault '{fault.name}': {found}\n{ended.said[-3000:]}"

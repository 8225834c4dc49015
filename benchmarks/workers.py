"""Work in parts: several workers against one, against the code before parts, on Ray, and its memory.

    python -m benchmarks.workers [--rows 2048] [--repeats 3] [--model FOLDER] [--before SRC] [--ray]
    python -m benchmarks.workers --generate [--rows 2048] [--repeats 3] [--model FOLDER]
    python -m benchmarks.workers --memory 100000 [--devices cpu:2]
    python -m benchmarks.workers --finish 1000000

The task is IFD of made rows by ``--model`` (default: a random Llama of 50 thousand weights, made here), or
with ``--generate`` answers of 32 tokens to as many prompts, each run in a process of its own, one thread a worker. Repeats are interleaved, a ratio is taken within a repeat
and the median printed. ``busiest`` is the CPU time of the worker that had most of it, so that ``CPU of one
worker / busiest of two`` is what two workers gain on cores that nobody else uses; beside a machine with other
work, read that. ``--before`` is the ``src`` folder of a checkout without parts. Start-up (imports, the model)
is included; a run of one row measures it alone.

``--memory ROWS`` scores short rows and prints the peak of each process. ``--finish ROWS`` makes the parts of
these rows, without a model, and prints the peak of writing their scores and of looking them up.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path

RUN = """
import sys, json, tempfile
from pathlib import Path
import handpicked as hp
from handpicked.progress import SILENT
from handpicked.scorers.lm.likelihood import LanguageModel
from handpicked.scorers.model.ifd import Ifd
if __name__ == "__main__":
    pool, model, runner, devices = sys.argv[1:]
    rows, work = hp.read(pool), Path(tempfile.mkdtemp())
    scorer = Ifd(LanguageModel(model))
    if runner == "before":
        scorer.score(rows, None, work, SILENT)
    else:
        from handpicked.workers import Workers
        scorer.score_on(Workers(runner, "local" if runner == "ray" else None, devices), rows, None, work, SILENT)
"""
GENERATE = """
import sys, tempfile
from pathlib import Path
import handpicked as hp
from handpicked.config import GenerateSettings, ModelSettings
from handpicked.generate import generate
from handpicked.models.served import ArmModel
from handpicked.progress import SILENT
from handpicked.records import Message, Prompt
from handpicked.workers import Workers
if __name__ == "__main__":
    pool, model, runner, devices = sys.argv[1:]
    prompts = [Prompt(str(one.row), (Message("user", one.response),), "made") for one in hp.read(pool).examples()]
    settings = GenerateSettings(max_new_tokens=32, batch_size=8)
    arm, out = ArmModel(ModelSettings(name=model, dtype="float32")), Path(tempfile.mkdtemp()) / "answers.jsonl"
    generate(prompts, arm, settings, out, name="base", workers=Workers(runner, None, devices), progress=SILENT)
"""
TICKS = os.sysconf("SC_CLK_TCK")


def made_pool(rows: int, folder: Path) -> Path:
    """Short made rows as a JSON lines file."""
    draw = random.Random(0)
    file = folder / f"{rows}.jsonl"
    with file.open("w") as out:
        for row in range(rows):
            words = " ".join(draw.choices(("rain", "cats", "on", "a", "mat", "seven"), k=draw.randint(2, 8)))
            out.write(json.dumps({"prompt": f"Say {row}.", "response": words}) + "\n")
    return file


def made_model(folder: Path) -> Path:
    """The tiny model of the tests."""
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
    import conftest

    class Factory:
        def mktemp(self, name: str) -> Path:
            made = folder / name
            made.mkdir()
            return made

    maker = getattr(conftest.tiny_model, "__wrapped__", None) or conftest.tiny_model._get_wrapped_function()
    return Path(maker(Factory()))


class Watched:
    """CPU seconds and peak memory of a process and of those that it began, looked up while it runs."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.cpu: dict[int, float] = {}
        self.peak: dict[int, int] = {}
        self.process = process
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()

    def _watch(self) -> None:
        while self.process.poll() is None:
            for pid in family(self.process.pid):
                try:
                    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                    status = Path(f"/proc/{pid}/status").read_text()
                except OSError:
                    continue
                self.cpu[pid] = (int(fields[11]) + int(fields[12])) / TICKS
                peak = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
                self.peak[pid] = max(
                    self.peak.get(pid, 0), int(peak[0]) if peak else 0
                )  # none when it has ended
            time.sleep(0.1)


def family(pid: int) -> list[int]:
    """The process and all that descend from it."""
    found = [pid]
    for one in found:
        try:
            found += map(int, Path(f"/proc/{one}/task/{one}/children").read_text().split())
        except OSError:
            continue
    return found


def run(
    pool: Path, model: Path, runner: str, devices: str, source: Path | None = None, script: str = RUN
) -> Mapping[str, float | list[float]]:
    """Wall and CPU seconds of one run, those of its busiest process, and peaks in MB."""
    paths = str(source) if source else os.pathsep.join(path for path in sys.path if path)
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(pool), str(model), runner, devices], env=environment
    )
    watched = Watched(process)
    if process.wait():
        raise SystemExit(f"{runner} {devices} failed")
    watched.thread.join()
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    peaks = sorted((peak / 1024 for peak in watched.peak.values()), reverse=True)[:4]
    return {"wall": wall, "cpu": cpu, "busiest": max(watched.cpu.values()), "peaks": peaks}


def compare(arguments: argparse.Namespace, folder: Path) -> None:
    """Interleaved repeats of every way."""
    model = arguments.model or made_model(folder)
    pool, one_row = made_pool(arguments.rows, folder), made_pool(1, folder)
    ways = {"one worker": ("native", "cpu:1"), "two workers": ("native", "cpu:2")}
    if arguments.before:
        ways["before"] = ("before", "")
    if arguments.ray:
        ways["ray"] = ("ray", "")
    repeats: list[dict[str, float]] = []
    for _ in range(arguments.repeats):
        measured: dict[str, float] = {}
        for name, (runner, devices) in ways.items():
            source = arguments.before if runner == "before" else None
            for label, file in (("", pool), (" start-up", one_row)):
                found = run(file, model, runner, devices, source, GENERATE if arguments.generate else RUN)
                measured |= {
                    f"{name}{label}, {what}": float(found[what]) for what in ("wall", "cpu", "busiest")
                }  # type: ignore[arg-type]
        measured["two workers against one, wall"] = (
            measured["one worker, wall"] / measured["two workers, wall"]
        )
        net = {name: measured[f"{name}, busiest"] - measured[f"{name} start-up, busiest"] for name in ways}
        measured["two workers against one, CPU of one / busiest of two, without start-up"] = (
            net["one worker"] / net["two workers"]
        )
        if arguments.before:
            measured["parts against before, CPU without start-up"] = net["before"] / net["one worker"]
            measured["parts against before, CPU"] = measured["before, cpu"] / measured["one worker, cpu"]
        if arguments.ray:
            measured["ray, more wall seconds than one worker"] = (
                measured["ray, wall"] - measured["one worker, wall"]
            )
        repeats.append(measured)
        print(json.dumps(measured), flush=True)
    print(f"{arguments.rows} rows, medians of {arguments.repeats}, load {os.getloadavg()[0]:.0f}")
    for name in repeats[0]:
        print(f"{name:<80}{statistics.median(repeat[name] for repeat in repeats):>10.3f}")


def memory(arguments: argparse.Namespace, folder: Path) -> None:
    """Peaks at a tenth of the rows and at all of them."""
    model = arguments.model or made_model(folder)
    for rows in (arguments.memory // 10, arguments.memory):
        found = run(made_pool(rows, folder), model, "native", arguments.devices)
        peaks = ", ".join(f"{peak:,.0f}" for peak in found["peaks"])  # type: ignore[union-attr]
        print(f"{rows:,} rows: peaks of processes {peaks} MB; {found['cpu']:.0f} s of CPU", flush=True)


def finish(rows: int, folder: Path) -> None:
    """Parts of made values, their scores, and a look-up of all of them."""
    import numpy as np
    import pyarrow as pa

    from handpicked.scorers.lm.likelihood import LM_PART, LanguageModel
    from handpicked.scorers.model.ifd import Ifd
    from handpicked.scorers.stored import Stored
    from handpicked.workers import PartFiles, with_facts

    scorer, draw = Ifd(LanguageModel()), np.random.default_rng(0)
    files = PartFiles.of(folder, [rows], LM_PART)
    files.folder.mkdir()
    noted = dict.fromkeys(("tokens", "padded", "cut rows", "cut tokens", "over 1"), 1) | {
        "shared_prefix": None
    }
    os.fsync = lambda _: None  # type: ignore[assignment]  # of made parts
    for part in files.parts:
        table = {"row": pa.array(range(part.first, part.end), pa.int64())}
        table |= {name: pa.array(draw.random(len(part))) for name in scorer.values}
        files.write(part, with_facts(pa.table({**table, "reason": pa.nulls(len(part), pa.string())}), noted))
    before, started = peak(), time.perf_counter()
    assert not files.missing()
    scorer.finish(files, folder)
    files.remove()
    written = peak(), time.perf_counter() - started
    look_up = Stored("ifd", str(folder / "scores.arrow"), "", "high")
    for first in range(0, rows, 4096):
        look_up(pa.record_batch({"row": pa.array(range(first, min(first + 4096, rows)), pa.int64())}))
    print(
        f"{rows:,} rows in {len(files.parts):,} parts: peak {before:,.0f} MB before, "
        f"{written[0]:,.0f} MB when the "
        f"scores are written ({written[1]:.0f} s), {peak():,.0f} MB when all are looked up"
    )


def peak() -> float:
    """MB that this process has had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=2048)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--model", type=Path, help="A model folder, in place of the made one.")
    parser.add_argument("--generate", action="store_true", help="Answers in place of IFD.")
    parser.add_argument("--before", type=Path, help="The src folder of a checkout without parts.")
    parser.add_argument("--ray", action="store_true", help="Also on a Ray cluster of this machine.")
    parser.add_argument("--memory", type=int, help="Rows whose scoring is watched for memory.")
    parser.add_argument("--devices", default="cpu:2", help="With --memory.")
    parser.add_argument("--finish", type=int, help="Rows whose made parts are put together.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="handpicked-") as folder:
        if arguments.finish:
            finish(arguments.finish, Path(folder))
        elif arguments.memory:
            memory(arguments, Path(folder))
        else:
            compare(arguments, Path(folder))


if __name__ == "__main__":
    main()

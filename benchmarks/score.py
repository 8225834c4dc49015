"""IFD against the usual loop and against the machine's own matrix products, on the
same rows, in the same run.

    python -m benchmarks.score --plan alpaca_data.json
    python -m benchmarks.score [--pool alpaca_data.json] [--rows 256] [--repeats 3] [--compile] [--wana PYTHON]

* ``handpicked``: what ``handpicked score --scorer ifd`` does, from the pool to the written
  columns; tokenizing included.
* ``usual``: one row at a time, two forward passes of ``transformers`` with labels, logits of the whole
  vocabulary at every position; tokenizing included. Its values must be ours to 1e-3.
* ``ceiling``: the rate of the fastest matrix product among shapes of this model, torch's, NumPy's or
  oneDNN's, that the machine keeps up for a second, and the rows a second that would give at two operations a
  weight and a token of both passes. A single product of a few milliseconds (``burst``) can be half as fast
  again, for as long as the cores hold their highest clock and nothing interrupts them. ``worked`` counts only
  the products that were made: a prefix that all rows share once, and the output head at the tokens that are
  scored.

* ``wana``: that package's own scorer with the weights it bundles (the same 135M model, in four bits, by
  llama.cpp) and as many threads, in a Python where it is installed (``--wana``). It scores by the ratio of
  losses, not of perplexities.

``--plan`` runs no model: it says how much of the batches of a whole file would be padding.

Loading model and tokenizer is left out of all. Batches fill up with 200 rows and more. Repeats are
interleaved; a ratio is taken within a repeat, and the median is measured, so that a machine whose speed drifts
does not decide. Beside a machine with other work, read the figures of CPU time.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.train import examples
from handpicked import read
from handpicked.config import BUNDLED_LM, ModelSettings
from handpicked.models.load import device, dtype_of, load_model, load_tokenizer
from handpicked.models.template import Template, load_template
from handpicked.progress import SILENT
from handpicked.records import Example, Pool
from handpicked.scorers.lm import likelihood
from handpicked.scorers.lm.batching import plan, sizes
from handpicked.scorers.lm.likelihood import LanguageModel, beginning
from handpicked.scorers.lm.tokenized import tokenize
from handpicked.scorers.model.ifd import Ifd
from handpicked.scorers.pool_scorer import FACTS, SCORES

SETTINGS = ModelSettings(name=BUNDLED_LM)

WANA = """
import json, sys, time
from wana.adapters.io.jsonl import parse_record
from wana.adapters.logprob.bundled import BundledLogProbProvider
from wana.adapters.scoring.ifd import IFDScorer
rows = [parse_record(json.loads(line), str(i)) for i, line in enumerate(open(sys.argv[1], encoding="utf-8"))]
scorer = IFDScorer(BundledLogProbProvider(threads=int(sys.argv[2]), max_tokens=8192))
scorer.score(rows[0])
wall, cpu = time.perf_counter(), time.process_time()
losses = [[score.value for score in scorer.score(row)[1:]] for row in rows]
print(json.dumps({"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "losses": losses}))
"""


def timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """What it returns, wall seconds, CPU seconds of this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = work()
    return found, time.perf_counter() - wall, time.process_time() - cpu


def pool_of(rows: list[Example], folder: Path) -> Pool:
    """A pool of these rows, in a file in ``folder``."""
    file = folder / "pool.jsonl"
    lines = [{"prompt": row.prompt, "response": row.response} for row in rows]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return read(file)


def usual(model: Any, template: Template, rows: list[Example]) -> tuple[list[float], list[tuple[int, int]]]:
    """IFD as scripts compute it, and the tokens of each prompt and response."""
    found, lengths = [], []
    for row in rows:
        prompt = template.encode_prompt(row.messages[:-1])
        response = template.encode(row.messages, [len(row.messages) - 1]).ids[len(prompt) : -1]
        losses = []
        for context in (prompt, [beginning(template)]):
            ids = torch.tensor([context + response], device=model.device)
            labels = ids.clone()
            labels[0, : len(context)] = -100
            with torch.no_grad():
                losses.append(float(model(input_ids=ids, labels=labels).loss))
        found.append(math.exp(losses[0] - losses[1]))
        lengths.append((len(prompt), len(response)))
    return found, lengths


def ours(pool: Pool, compiled: bool) -> tuple[dict[int, float], dict[str, Any]]:
    """IFD as the product computes it, and its facts."""
    import pyarrow as pa

    with tempfile.TemporaryDirectory(prefix="handpicked-") as folder:
        Ifd(LanguageModel(compile=compiled)).score(pool, None, Path(folder), SILENT)
        table = pa.ipc.open_file(pa.OSFile(f"{folder}/{SCORES}")).read_all().to_pylist()
        return {line["row"]: line["ifd"] for line in table}, json.loads((Path(folder) / FACTS).read_text())


def wana(python: str, rows: list[Example]) -> dict[str, Any]:
    """Wall and CPU seconds of wana's scorer on the rows, and each row's losses
    with and without its prompt.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as file:
        for row in rows:
            messages = [{"role": turn.role, "content": turn.content} for turn in row.messages]
            file.write(json.dumps({"messages": messages}) + "\n")
        file.flush()
        command = [python, "-c", WANA, file.name, str(torch.get_num_threads())]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def planned_padding(file: Path) -> str:
    """The share of padding in the batches that IFD of every row of a file would be computed in."""
    tokenizer = load_tokenizer(SETTINGS)
    template = load_template("auto", tokenizer)
    tokenized = tokenize(read(file).examples(), template, 8192)
    prefix = len(tokenized.common_prefix())
    batches = plan(tokenized, alone=True, neighbours=0, prefix=prefix)
    tokens, padded = sizes(batches)
    return f"{len(tokenized.rows):,} rows, {tokens:,} tokens in {len(batches):,} batches, padding {(padded - tokens) / padded:.2%}"


def libraries(weight: torch.Tensor) -> list[Callable[[torch.Tensor], torch.Tensor]]:
    """What multiplies states [lines, in] with ``weight`` [out, in]: torch's library and, on a CPU, NumPy's
    and, where torch has it, oneDNN's.
    """
    ways = [lambda states: torch.nn.functional.linear(states, weight)]
    if weight.device.type == "cpu":
        ways.append(lambda states: torch.from_numpy(states.numpy() @ weight.numpy().T))
    if weight.device.type == "cpu" and torch.backends.mkldnn.is_available():
        ordered = torch.ops.mkldnn._reorder_linear_weight(weight)
        ways.append(lambda states: torch.ops.mkldnn._linear_pointwise(states, ordered, None, "none", [], ""))
    return ways


def ceiling(model: Any, seconds: float = 1.0) -> tuple[float, float, float]:
    """Operations a wall second and a CPU second, kept up for ``seconds``, and a wall second of
    the fastest single product.

    Of each, the best among products of 1,024 rows with the matrices of this model, by torch's
    library, NumPy's and oneDNN's.
    """
    shapes = {tuple(part.shape) for part in model.parameters() if part.dim() == 2}
    best = [0.0, 0.0, 0.0]
    for rows, columns in sorted(shapes):
        a = torch.randn(1024 if rows < 10_000 else 512, columns, dtype=model.dtype, device=model.device)
        b = torch.randn(rows, columns, dtype=model.dtype, device=model.device)
        operations = 2 * len(a) * rows * columns
        for product in libraries(b):
            walls, cpus = [], []
            while sum(walls) < seconds:
                _, wall, cpu = timed(lambda a=a, product=product: float(product(a)[0, 0]))  # type: ignore[misc]
                walls.append(wall)
                cpus.append(cpu)
            kept_up = operations * len(walls)
            rates = (kept_up / sum(walls), kept_up / max(sum(cpus), 1e-9), operations / min(walls))
            best = [max(pair) for pair in zip(best, rates, strict=True)]
    return best[0], best[1], best[2]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pool", type=Path, help="An Alpaca file; else Python's own documentation.")
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--compile", action="store_true", help="Also with torch.compile, compiling included.")
    parser.add_argument("--wana", metavar="PYTHON", help="A Python that has the package wana.")
    parser.add_argument("--plan", type=Path, metavar="FILE", help="Only the padding of a whole file.")
    arguments = parser.parse_args()
    if arguments.plan:
        print(planned_padding(arguments.plan))
        return
    chosen = examples(arguments.pool, arguments.rows)
    model = load_model(SETTINGS)
    tokenizer = load_tokenizer(SETTINGS)
    template = load_template("auto", tokenizer)
    likelihood.load_model = lambda *_, **__: model  # both without loading
    likelihood.load_tokenizer = lambda *_: tokenizer
    _, lengths = usual(model, template, chosen[:1])  # warm up
    weights = sum(part.numel() for part in model.parameters())
    head = model.get_output_embeddings().weight.numel()
    with tempfile.TemporaryDirectory(prefix="handpicked-") as folder:
        pool = pool_of(chosen, Path(folder))
        repeats = []
        for _ in range(arguments.repeats):
            wall_rate, cpu_rate, burst = ceiling(model)
            (theirs, lengths), their_wall, their_cpu = timed(lambda: usual(model, template, chosen))
            tokens = sum(prompt + 2 * response + 1 for prompt, response in lengths)
            answers = 2 * sum(response for _, response in lengths)
            (found, facts), our_wall, our_cpu = timed(lambda: ours(pool, False))
            fed = facts["tokens"] + facts["shared_prefix"]
            worked = 2 * ((weights - head) * fed + head * answers)
            repeats.append(
                {
                    "usual, rows/s": len(chosen) / their_wall,
                    "handpicked, rows/s": len(chosen) / our_wall,
                    "x usual": their_wall / our_wall,
                    "x usual, CPU time": their_cpu / our_cpu,
                    "ceiling, GFLOP/s": wall_rate / 1e9,
                    "burst, GFLOP/s": burst / 1e9,
                    "share of burst": 2 * weights * tokens / our_wall / burst,
                    "share of ceiling": 2 * weights * tokens / our_wall / wall_rate,
                    "share of ceiling, CPU time": 2 * weights * tokens / our_cpu / cpu_rate,
                    "share of ceiling, worked": worked / our_wall / wall_rate,
                    "share of ceiling, worked, CPU time": worked / our_cpu / cpu_rate,
                    "largest difference": max(abs(a - found[i]) for i, a in enumerate(theirs)),
                }
            )
            if arguments.wana:
                rival = wana(arguments.wana, chosen)
                theirs = [math.exp(given - alone) for given, alone in rival["losses"]]
                repeats[-1] |= {
                    "x wana": rival["wall"] / our_wall,
                    "x wana, CPU time": rival["cpu"] / our_cpu,
                    "median difference to wana's ratio": statistics.median(
                        abs(one - found[i]) for i, one in enumerate(theirs)
                    ),
                }
            print(json.dumps(repeats[-1]), flush=True)
        measured = {name: statistics.median(repeat[name] for repeat in repeats) for name in repeats[0]}
        if arguments.compile:
            likelihood.load_model = lambda *_, **__: load_model(SETTINGS)  # type: ignore[assignment]
            _, wall, _ = timed(lambda: ours(pool, True))
            measured["compiled, seconds, compiling included"] = wall
    about = f"{len(chosen)} rows, {tokens} tokens, {device()}, {dtype_of(SETTINGS)}, {torch.get_num_threads()} threads"
    print(f"{about}; medians of {arguments.repeats}; padding {facts['padding']:.1%}")
    for name, value in measured.items():
        print(f"{name:<40}{value:>12.4g}")
    if measured["largest difference"] > 1e-3:
        raise SystemExit("the values differ from those of the usual loop by more than 1e-3")


if __name__ == "__main__":
    main()

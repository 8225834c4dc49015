"""A hundred kills of each command (of ``run`` a fifth) at random moments: it then comes to the same bytes.

The commands run in forks of one process that has everything imported, so that a kill costs no start.
``HANDPICKED_KILLS`` says how many kills each command gets.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent.parent))

from local_endpoint import Act, local_endpoint

KILLS = int(os.environ.get("HANDPICKED_KILLS", "100"))
KILLED = -9
IMPORTED = [
    "handpicked.cli.boundary",
    "handpicked.selection",
    "handpicked.experiment.judge_files",
    "handpicked.experiment.run",
    "daft",
    "pyarrow.parquet",
]
IMPORTED += ["torch", "transformers", "peft", "trl", "sentence_transformers"]
PASSING = ("second", "command", "stages", "commit", "dirty", "date", "time", "resumed")
"""Parts of the names of fields that differ between two runs of one command: clocks, the
command itself, the checkout, and where a training was taken up again.
"""

pytestmark = pytest.mark.slow


def command(words: Sequence[str], said: str, folder: Path) -> None:
    """In the fork: the command line in ``folder``, with its streams in a file. What it writes holds the
    command, so that its words may not differ from run to run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    stream = os.open(said, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(stream, 1)
    os.dup2(stream, 2)
    sys.argv = ["handpicked", *words]
    from handpicked.cli.boundary import main

    main()


@pytest.fixture(scope="module")
def fork():
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    return context


def found_in(folder: Path) -> dict[str, object]:
    """What a command left: the bytes of every file, and of verdicts and JSON the
    values without what passes.
    """
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if (
            not path.is_file()
            or name.startswith(".")
            or "/." in name
            or path.suffix in (".log", ".html", ".md", ".sqlite")
        ):
            continue
        if path.suffix == ".json":
            found[name] = lasting(json.loads(path.read_text("utf-8")), str(folder))
        elif path.name == "verdicts.jsonl":  # reviews tell how long the endpoint took
            found[name] = [
                lasting(json.loads(line), str(folder)) for line in path.read_text("utf-8").splitlines()
            ]
        elif ".sqlite" not in name:
            found[name] = path.read_bytes()
    return found


def lasting(value: object, folder: str) -> object:
    if isinstance(value, dict):
        return {
            key: lasting(part, folder)
            for key, part in value.items()
            if not any(word in key for word in PASSING) and not (key == "finished" and isinstance(part, str))
        }
    if isinstance(value, list):
        return [lasting(part, folder) for part in value]
    return value.replace(folder, "OUT") if isinstance(value, str) else value


def killed_often(fork, tmp_path: Path, words: Sequence[str], kills: int = KILLS) -> None:
    """Kill the command ``kills`` times, going on in the same folder; whenever it ends, its folder
    must be as if never killed.
    """
    out, whole, said = tmp_path / "killed/out", tmp_path / "whole/out", str(tmp_path / "said.txt")

    def start(folder: Path):
        process = fork.Process(target=command, args=([*words, "-o", folder.name], said, folder.parent))
        process.start()
        return process

    def end(process) -> None:
        process.join()
        assert process.exitcode == 0, Path(said).read_text()[-3000:]

    end(start(tmp_path / "warm/out"))  # caches of the user are filled by now
    began = time.monotonic()
    end(start(whole))
    took = time.monotonic() - began
    expected = found_in(whole)
    assert expected
    draw, killed, ended = random.Random(str(words[0])), 0, 0
    while killed < kills:
        process = start(out)
        process.join(draw.uniform(0, took * (1.0 if ended < killed else 0.6)))
        process.kill()
        process.join()
        if process.exitcode == KILLED:
            killed += 1
            continue
        end(process)
        ended += 1
        assert found_in(out) == expected
        shutil.rmtree(out)
    end(start(out))
    assert found_in(out) == expected
    assert "Traceback" not in Path(said).read_text()


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    file = tmp_path / "pool.jsonl"
    rows = [
        {"prompt": f"Say something about {i}.", "response": f"word{i} " * (i % 40 + 1)} for i in range(3000)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"prompt": "no answer"}\n')
    return file


def test_select_is_killed(fork, pool: Path, tmp_path: Path):
    killed_often(
        fork, tmp_path, ["select", str(pool), "--size", "200", "--by", "longest", "--guard", "duplicates"]
    )


def test_score_is_killed(fork, pool: Path, tmp_path: Path):
    killed_often(fork, tmp_path, ["score", str(pool), "--scorer", "words"])


def test_judge_is_killed_and_pays_for_no_reply_twice_but_those_in_flight(fork, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    for name in "ab":
        rows = [
            {"instruction": f"question {i}", "output": f"{name} {i}", "generator": name} for i in range(60)
        ]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with local_endpoint(lambda body, count: Act("8 6", delay=0.005)) as server:
        asked = ["--judge", "scores", "--model", "m", "--base-url", server.url, "--concurrency", "2"]
        killed_often(fork, tmp_path, ["judge", str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl"), *asked])


def test_run_is_killed(fork, tmp_path: Path, tiny_model: Path):
    pytest.importorskip("trl", reason="needs the train extra")
    rows = [
        {"prompt": f"Say something about {i}.", "response": f"stone{i} river " * (i % 9 + 1)}
        for i in range(40)
    ]
    (tmp_path / "pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    written = {
        "name": "tiny",
        "why": "Does a run outlive a hundred kills?",
        "pool": {"path": str(tmp_path / "pool.jsonl"), "hold_out": 4},
        "model": {"name": str(tiny_model)},
        "train": {"epochs": 1, "batch_size": 4, "max_length": 200, "save_every": 1, "learning_rate": 1e-3},
        "arms": {"longest": {"by": "longest", "size": 8}, "random": {"by": "random", "size": 8}},
        "evaluate": {"generate": {"max_new_tokens": 8}, "judges": [{"name": "reference-similarity"}]},
    }
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(written))
    # fewer than the others: each training is a process of its own, which imports everything again
    killed_often(fork, tmp_path, ["run", str(tmp_path / "tiny.yaml")], kills=max(1, KILLS // 5))

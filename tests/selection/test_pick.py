"""A selection from a file to a written folder, and everything that may be in its way."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from handpicked.config import SelectSettings
from handpicked.data import read
from handpicked.errors import ConfigError, PoolError, StoreError
from handpicked.selection import compare_measures, pick, select
from handpicked.selection.audit import Truncation
from handpicked.selection.result import Form
from handpicked.selectors.ranked import Longest, Top
from memory_pool import MemoryPool

WORDS = [
    "the",
    "a",
    "cat",
    "dog",
    "sat",
    "on",
    "mat",
    "and",
    "ran",
    "over",
    "under",
    "hill",
    "river",
    "stone",
    "moon",
    "sun",
    "wind",
]


def rows_of(count, seed=0):
    draw = random.Random(seed)
    return [
        {
            "prompt": f"Question {number}",
            "response": " ".join(draw.choices(WORDS, k=draw.randint(1, 60))) + ".",
            "quality": draw.random(),
            "kind": draw.choice("abc"),
        }
        for number in range(count)
    ]


def settings(**values):
    return SelectSettings(**values)


def manifest(out):
    return json.loads((out / "manifest.json").read_text())


def hashes(out):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(out.iterdir())}


def test_out_holds_the_subset_the_scores_the_rejected_and_the_manifest(tmp_path):
    rows = [*rows_of(50), None, *rows_of(50, seed=1), None]
    pool = MemoryPool(rows, shards=3)
    summary = pick(
        pool,
        settings(by="longest", size=10, measure="words"),
        tmp_path / "out",
        command=["handpicked", "select"],
    )
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "README.md", "manifest.json", "rejected.jsonl", "report.html", "scores.parquet", "selected.jsonl",
    ]  # fmt: skip
    assert (summary.pool, summary.kept, summary.rejected) == (102, 10, 2)

    scores = pq.read_table(tmp_path / "out" / "scores.parquet").to_pylist()
    assert [one["row"] for one in scores] == list(range(102))
    kept = [one["row"] for one in scores if one["kept"]]
    assert all(one["words"] == len(rows[one["row"]]["response"].split()) for one in scores if one["id"])
    cut = sorted((len(row["response"].split()) for row in rows if row), reverse=True)[9]
    assert all(scores[row]["words"] >= cut for row in kept)
    assert all((one["reason"] is None) == one["kept"] for one in scores)
    assert [one["reason"] for one in scores if one["id"] is None] == ["rejected: the row is null"] * 2

    selected = [json.loads(line) for line in (tmp_path / "out" / "selected.jsonl").read_text().splitlines()]
    assert selected == [rows[row] for row in kept]
    rejected = [json.loads(line) for line in (tmp_path / "out" / "rejected.jsonl").read_text().splitlines()]
    assert [one["row"] for one in rejected] == [50, 101]

    found = manifest(tmp_path / "out")
    assert found["counts"] == {
        "pool": 102,
        "kept": 10,
        "rejected": 2,
        "dropped": {"not among the 10 longest": 90},
    }
    assert found["settings"]["measure"] == "words"
    assert found["command"] == ["handpicked", "select"]
    for name, digest in found["outputs"].items():
        assert len(digest) == 64 and (tmp_path / "out" / name).exists()


def test_the_manifest_names_the_tokenizer(tmp_path):
    pick(MemoryPool(rows_of(5)), settings(size=2), tmp_path / "out")
    (score,) = manifest(tmp_path / "out")["scores"]
    assert score["tokenizer"]["name"] == "SmolLM2-135M-Instruct"
    assert len(score["tokenizer"]["sha256"]) == 64


@pytest.mark.parametrize(
    "chosen",
    [
        {"by": "full"}, {"by": "random", "size": 7}, {"by": "shortest", "size": 7}, {"by": "top", "field": "quality", "size": 7},
        {"by": "bottom", "field": "quality", "fraction": 0.1}, {"by": "window", "low": 0.2, "high": 0.8, "size": 7},
        {"by": "window", "field": "quality", "high": 0.5}, {"by": "balanced", "field": "kind", "size": 7},
        {"by": "power-law", "field": "kind", "size": 7}, {"by": "compression_ratio", "size": 7},
    ],
    ids=lambda chosen: chosen["by"],
)  # fmt: skip
def test_every_selector_is_found_by_name_and_accounts_for_every_row(tmp_path, chosen):
    summary = pick(MemoryPool(rows_of(80), shards=2), settings(**chosen), tmp_path / "out")
    expected = {"full": 80, "bottom": 8}.get(chosen["by"], 7)
    if chosen.get("field") == "quality" and chosen["by"] == "window":
        expected = 40
    assert summary.kept == expected
    assert summary.kept + sum(part.rows for part in summary.dropped) == 80


def test_length_matched_copies_the_lengths_of_another_subset(tmp_path):
    pool = MemoryPool(rows_of(300))
    pick(pool, settings(by="top", field="quality", size=30), tmp_path / "good")
    summary = pick(pool, settings(by="length-matched", of=str(tmp_path / "good")), tmp_path / "control")
    assert summary.kept == 30
    lengths = {
        name: sorted(
            one["tokens"]
            for one in pq.read_table(tmp_path / name / "scores.parquet").to_pylist()
            if one["kept"]
        )
        for name in ("control",)
    }
    good = [
        json.loads(line)["response"]
        for line in (tmp_path / "good" / "selected.jsonl").read_text().splitlines()
    ]
    import pyarrow as pa

    from handpicked.tokens.tokenizer import load_counter

    wanted = sorted(load_counter().count(pa.array(good)).to_pylist())
    assert all(
        abs(one - other) <= max(1, 0.1 * other) for one, other in zip(lengths["control"], wanted, strict=True)
    )


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"by": "longest", "size": 5}, r"5 rows are requested, but the pool has 4 to select from \(5 rows, of which 1 cannot be read\)"),
        ({"by": "longest", "size": 9}, r"9 rows are requested, but the pool has 5\. Lower the size"),
        ({"by": "longest"}, "say how many rows"),
        ({"by": "longest", "size": 1, "fraction": 0.5}, "both a size"),
        ({"by": "full", "size": 1}, "takes no size"),
        ({"by": "longst", "size": 1}, "Did you mean 'longest'"),
        ({"by": "top", "size": 1}, "field: 'top' needs this setting: the scorer"),
        ({"by": "top", "field": "kind", "size": 1}, "no numbers"),
        ({"by": "length-matched"}, "needs the folder"),
        ({"by": "longest", "size": 1, "guards": ("repetitoin",)}, "Did you mean 'repetition'"),
        ({"by": "longest", "size": 1, "guards": ("repetition=2", "token-window")}, "repetition=2': limit: '2' input should be less than or equal to 1(.|\n)*fewest and the most"),
        ({"by": "longest", "size": 1, "guards": ("decontaminate",)}, "name the files of evaluation prompts"),
    ],
)  # fmt: skip
def test_mistakes_are_reported_and_nothing_is_written(tmp_path, chosen, message):
    with pytest.raises(ConfigError, match=message):
        pick(MemoryPool([*rows_of(4), None]), settings(**chosen), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_empty_pool_and_a_pool_of_one(tmp_path):
    assert pick(MemoryPool([]), settings(size=0), tmp_path / "none").kept == 0
    assert (tmp_path / "none" / "selected.jsonl").read_bytes() == b""
    assert pick(MemoryPool(rows_of(1)), settings(size=1), tmp_path / "one").kept == 1
    with pytest.raises(PoolError, match="none of the 1 rows of the pool can be read"):
        pick(MemoryPool([None]), settings(by="full"), tmp_path / "rejected")
    with pytest.raises(ConfigError, match="1 rows are requested, but the pool has 0"):
        pick(MemoryPool([]), settings(size=1), tmp_path / "too-many")


def guarded(responses, guards, size=None, prompts=(), asked=None):
    rows = [
        {"prompt": asked[number] if asked else f"Question {number}?", "response": response}
        for number, response in enumerate(responses)
    ]
    selection = select(
        MemoryPool(rows), Longest("words") if size else __full(), size=size, guards=guards, prompts=prompts
    )
    return selection.rows.tolist(), {
        part.reason.split(":")[0]: part.rows for part in selection.summary.dropped
    }


def __full():
    from handpicked.selectors.full import Full

    return Full()


PROSE = "It was the best of times, it was the worst of times, and the river ran on under the old bridge."


def test_guards_drop_and_count_by_reason():
    loop = "again and again we go. " * 30
    responses = [PROSE, loop, PROSE[:-1] + " and", "word", PROSE + " So it was."]
    assert guarded(responses, ["repetition"]) == ([0, 2, 3, 4], {"repetition": 1})
    assert guarded(responses, ["cut-off"]) == ([0, 1, 3, 4], {"cut-off": 1})
    assert guarded(responses, ["compressibility"]) == ([0, 2, 3, 4], {"compressibility": 1})
    assert guarded(responses, ["token-window=5:60"]) == ([0, 2, 4], {"token-window": 2})
    assert guarded(responses, ["repetition", "cut-off", "token-window=5:"]) == (
        [0, 4],
        {"repetition": 1, "cut-off": 1, "token-window": 1},
    )


def test_guards_drop_before_the_size_is_filled():
    loop = "again and again we go. " * 30
    rows, dropped = guarded([loop, PROSE, "short.", PROSE + " More."], ["repetition"], size=2)
    assert rows == [1, 3]
    assert dropped == {"repetition": 1, "not among the 2 longest": 1}
    with pytest.raises(
        ConfigError, match=r"4 rows are requested, but the pool has 3 .*1 are dropped by guards"
    ):
        guarded([loop, PROSE, "short.", PROSE + " More."], ["repetition"], size=4)


def test_exact_duplicates_keep_their_first_row():
    rows, dropped = guarded(["one", "two", "one", "one"], ["duplicates"], asked=["q"] * 4)
    assert rows == [0, 1]
    assert dropped == {"duplicates": 2}


def test_near_duplicates_keep_the_longest():
    draw = random.Random(1)
    base = " ".join(f"{draw.choice(WORDS)}{draw.randint(0, 99)}" for _ in range(100))
    rows, dropped = guarded(
        [base, base + " and a few words more", "something else entirely, quite short"], ["near-duplicates"]
    )
    assert rows == [1, 2]
    assert dropped == {"near-duplicates": 1}


def test_decontamination_names_the_prompt(tmp_path):
    prompt = "Write a short story about a lighthouse keeper who finds a message in a bottle on the beach"
    (tmp_path / "eval.jsonl").write_text(
        json.dumps({"instruction": "Something else"}) + "\n" + json.dumps({"instruction": prompt})
    )
    pool = MemoryPool(
        [
            {"prompt": prompt.upper() + "!", "response": "Once."},
            {"prompt": "Hello", "response": "World, hello."},
        ]
    )
    summary = pick(
        pool,
        settings(by="full", guards=("decontaminate",), prompts=(str(tmp_path / "eval.jsonl"),)),
        tmp_path / "out",
    )
    assert summary.kept == 1
    scores = pq.read_table(tmp_path / "out" / "scores.parquet").to_pylist()
    assert scores[0]["overlap"] == "eval.jsonl #2" and scores[1]["overlap"] is None


@pytest.mark.parametrize("container", ["jsonl", "parquet"])
def test_the_audit_of_the_written_subset_is_that_of_the_pool(tmp_path, container, monkeypatch):
    rows = [{"q": f"ask {n}?", "a": "word " * (n % 7) + f"end {n}.", "x": n} for n in range(60)]
    file = tmp_path / f"pool.{container}"
    if container == "jsonl":
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    else:
        pq.write_table(pa.Table.from_pylist(rows), file)
    pool = read(file, map={"prompt": "q", "response": "a"})
    subset = select(pool, Longest(), size=30)
    truncation = Truncation(12)
    quick = subset.write(tmp_path / "quick", truncation=truncation).audit
    monkeypatch.setattr("handpicked.selection.result.read_back", lambda *_: None)
    assert subset.write(tmp_path / "slow", truncation=truncation).audit == quick


def test_the_audit_counts_what_guards_would_drop_even_when_they_are_off(tmp_path):
    loop = "again and again we go. " * 30
    rows = [
        {"prompt": f"{n}", "response": text}
        for n, text in enumerate([loop, PROSE, "The end of it all is near and"])
    ]
    audit = pick(
        MemoryPool(rows),
        settings(by="full"),
        tmp_path / "out",
        form=Form(truncation=Truncation(40, overhead=5)),
    ).audit
    assert audit["guards"]["repetition"]["rows"] == 1
    assert audit["guards"]["cut-off"]["rows"] == 1
    assert audit["guards"]["duplicates"]["rows"] == 0
    assert audit["truncation"]["cut_and_lose_end_of_text"] == 1
    assert audit["truncation"]["rows"] == 3
    assert manifest(tmp_path / "out")["audit"] == json.loads(json.dumps(audit))


def test_truncation_counts_at_the_boundary():
    from handpicked.selection.audit import _cut

    found = _cut([(5, 5), (6, 5), (25, 5)], Truncation(max_length=12, overhead=2))
    assert (found["cut_and_lose_end_of_text"], found["lose_whole_response"], found["tokens_lost"]) == (
        2,
        1,
        21,
    )


def test_the_same_settings_give_the_same_bytes(tmp_path):
    pool = MemoryPool([*rows_of(200), None], shards=4)
    for name in ("one", "two", "one"):
        pick(pool, settings(by="random", size=20), tmp_path / name)
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two")


def test_a_folder_that_is_not_ours_is_left_alone(tmp_path):
    (tmp_path / "selected.jsonl").write_text("mine")
    with pytest.raises(StoreError, match="did not write there"):
        pick(MemoryPool(rows_of(3)), settings(size=1), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["selected.jsonl"]
    assert (tmp_path / "selected.jsonl").read_text() == "mine"


def test_a_failed_rerun_leaves_the_earlier_result(tmp_path):
    out = tmp_path / "out"
    pick(MemoryPool(rows_of(10)), settings(size=3), out)
    before = hashes(out)
    with pytest.raises(ConfigError):
        pick(MemoryPool(rows_of(10)), settings(size=11), out)
    assert hashes(out) == before


def test_python_select_writes_what_pick_writes(tmp_path):
    pool = MemoryPool(rows_of(40))
    pick(pool, settings(by="top", field="quality", size=5), tmp_path / "pick")
    selection = select(pool, Top("quality"), size=5)
    assert len(selection.rows) == 5
    selection.write(tmp_path / "python")
    assert hashes(tmp_path / "pick")["selected.jsonl"] == hashes(tmp_path / "python")["selected.jsonl"]
    assert hashes(tmp_path / "pick")["scores.parquet"] == hashes(tmp_path / "python")["scores.parquet"]


def test_compare_measures_is_symmetric_and_one_with_itself():
    agreement = compare_measures(MemoryPool(rows_of(60)), 10)
    for one in agreement:
        assert agreement[one][one] == 1
        assert all(agreement[one][other] == agreement[other][one] for other in agreement)
    assert agreement["words"]["nltk"] > 0.5


# Faults. Each runs in a process of its own, as a user's command would.

SCRIPT = """
import sys
from handpicked.config import SelectSettings
from handpicked.data import read
from handpicked.errors import HandpickedError
from handpicked.selection import pick
try:
    pick(read(sys.argv[1]), SelectSettings(by="longest", size=200), sys.argv[2])
except HandpickedError as error:
    print(f"{type(error).__name__}: {error}", file=sys.stderr)
    sys.exit(2)
"""


@pytest.fixture(scope="module")
def pool_file(tmp_path_factory):
    file = tmp_path_factory.mktemp("pool") / "pool.jsonl"
    with file.open("w") as out:
        for row in rows_of(20_000):
            out.write(json.dumps({"instruction": row["prompt"], "output": row["response"]}) + "\n")
        out.write('{"instruction": "no answer"}\n')
    return file


def run(pool_file, out, prefix=()):
    return [*prefix, sys.executable, "-c", SCRIPT, str(pool_file), str(out)]


def test_kill_9_at_any_moment_leaves_no_half_written_output_and_a_rerun_gives_the_same_bytes(
    tmp_path, pool_file
):
    began = time.monotonic()
    subprocess.run(run(pool_file, tmp_path / "whole"), check=True)
    took = time.monotonic() - began
    expected = hashes(tmp_path / "whole")
    out = tmp_path / "out"
    draw = random.Random(7)
    killed = 0
    for _ in range(10):
        process = subprocess.Popen(run(pool_file, out))
        time.sleep(draw.uniform(0.3, 1.0) * took)
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        if (out / "manifest.json").exists():
            assert hashes_of_files(out) == expected
        else:
            seen = hashes_of_files(out) if out.exists() else {}
            assert all(expected[name] == digest for name, digest in seen.items())
    assert killed >= 5
    subprocess.run(run(pool_file, out), check=True)
    assert hashes_of_files(out) == expected
    assert sorted(path.name for path in out.iterdir()) == sorted(expected)


def hashes_of_files(out):
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in out.iterdir() if path.is_file()
    }


def test_a_full_disk_is_one_clear_error_and_no_partial_subset(tmp_path, pool_file):
    # A limit on the size of a file replaces a full disk where none can be mounted: the write fails in
    # the middle.
    limit = "import resource, sys, os; resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000)); os.execv(sys.argv[1], sys.argv[1:])"
    done = subprocess.run(
        run(pool_file, tmp_path / "out", [sys.executable, "-c", limit]), capture_output=True, text=True
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("StoreError: Cannot write to ")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("mount"), reason="mounting a small file system needs root"
)
@pytest.mark.parametrize(
    ("options", "reason"), [("size=100k", "no space is left"), ("size=100k,ro", "read-only")]
)
def test_a_really_full_or_read_only_disk(tmp_path, pool_file, options, reason):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "none", str(disk)], capture_output=True
    ).returncode:
        pytest.skip("this machine does not let us mount")
    try:
        done = subprocess.run(run(pool_file, disk / "out"), capture_output=True, text=True)
        assert done.returncode == 2, done.stderr
        assert reason in done.stderr and len(done.stderr.splitlines()) == 1
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_two_processes_do_not_write_one_folder(tmp_path):
    from handpicked.store.outfolder import filling

    with filling(tmp_path / "out", ("selected.jsonl", "manifest.json")) as folder:
        with pytest.raises(StoreError, match="another process"):
            pick(MemoryPool(rows_of(3)), settings(size=1), tmp_path / "out")
        (folder / "manifest.json").write_text("{}")


@pytest.mark.data
def test_alpaca_and_dolly_are_all_accounted_for(tmp_path, real_data):
    for name, rows in (("alpaca_data.json", 52_002), ("databricks-dolly-15k.jsonl", 15_011)):
        file = tmp_path / name
        file.write_bytes(gzip.decompress((real_data / "native" / f"{name}.gz").read_bytes()))
        summary = pick(read(file), settings(size=1000), tmp_path / name.split(".")[0])
        assert summary.pool == rows
        assert summary.kept == 1000
        assert summary.kept + summary.rejected + sum(part.rows for part in summary.dropped) == rows
        assert len(pq.read_table(tmp_path / name.split(".")[0] / "scores.parquet")) == rows

"""What every export holds: all that the rows say, and the settings that handpicked trains with."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import handpicked as hp
from handpicked.catalogue import TRAINERS
from handpicked.config import TrainSettings
from handpicked.exports.trainer import Job
from handpicked.train.schedule import warmup_steps

NAMES = ["axolotl", "llama-factory", "ms-swift", "open-instruct", "trl", "unsloth"]


def handpicked(*words, folder):
    return subprocess.run(
        [sys.executable, "-m", "handpicked", *words], cwd=folder, capture_output=True, text=True
    )


def numbers(text):
    """Every number of a config, as a float."""
    return {float(one) for one in re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?:e-?\d+)?(?![\w.])", text)}


def config_text(folder):
    return "".join(
        path.read_text() for path in folder.iterdir() if path.name not in ("data.jsonl", "dataset_info.json")
    )


def test_the_trainers_are_found_by_name():
    assert sorted(TRAINERS.shipped) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_nothing_that_a_row_says_is_lost(export, name):
    text = (export(name).folder / "data.jsonl").read_text(encoding="utf-8")
    said = [
        "Be brief.",
        "Two and two.",
        "It is 4.",
        "Rome",
        "Oslo",
        "22",
        "Use it.",
        "add",
        "See you – soon.",
    ]
    for words in [*said, "The weather.", "The add."]:
        assert words in text, words
    assert "Thanks." not in text  # nothing is learned from what follows the last answer


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("method", ["full", "lora"])
def test_the_config_says_handpickeds_own_settings(export, name, method):
    defaults = TrainSettings(method=method)
    made = export(name, method=method)
    found = numbers(config_text(made.folder))
    wanted = {defaults.peak_rate, defaults.epochs, defaults.max_length}
    wanted |= {defaults.lora_rank, defaults.lora_alpha} if method == "lora" else set()
    assert wanted <= found
    job = Job(defaults, len(made.rows))
    assert job.micro_batch * job.accumulation == defaults.batch_size == 128
    assert {job.micro_batch, job.accumulation} <= found
    assert "cosine" in config_text(made.folder) and "BASE_MODEL" in config_text(made.folder)


@pytest.mark.parametrize("name", NAMES)
def test_given_settings_are_in_the_config(export, name):
    given = {"epochs": 15, "learning_rate": 1.5e-5, "max_length": 777, "seed": 41, "batch_size": 24}
    found = numbers(config_text(export(name, **given).folder))
    assert {15, 1.5e-5, 777, 41, 4, 6} <= found


@pytest.mark.parametrize(("batch", "micro", "kept"), [(128, 4, 4), (6, 4, 2), (7, 4, 1), (2, 4, 2)])
def test_the_batch_is_exact_whatever_fits_a_device(batch, micro, kept):
    job = Job(TrainSettings(batch_size=batch, micro_batch_size=micro), 100)
    assert job.micro_batch == kept and job.micro_batch * job.accumulation == batch


def test_warm_up_is_that_of_handpickeds_own_training():
    assert Job(TrainSettings(), 52_000).steps == 3 * 407
    assert Job(TrainSettings(), 52_000).warmup == warmup_steps(1221, 0.03) == 36
    assert Job(TrainSettings(), 1).warmup == 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("settings", "said"),
    [({"template": "vicuna"}, "tokenizer's own"), ({"budget_tokens": 5000}, "Give epochs")],
)
def test_what_a_config_cannot_say_is_refused_with_what_to_do(export, name, settings, said):
    with pytest.raises(hp.ConfigError, match=said):
        export(name, **settings)


def test_an_unknown_trainer_is_named_with_the_closest(export):
    with pytest.raises(hp.ConfigError, match=r"no trainer 'axolotol'\. Did you mean 'axolotl'\?"):
        export("axolotol")


def test_what_a_trainer_does_not_take_is_counted(export):
    given = [
        {"messages": [{"role": "user", "content": f"{n}?"}, {"role": "assistant", "content": "!"}]}
        for n in range(3)
    ]
    given[0]["images"] = ["a.png"]
    given[1]["tools"] = "a hammer"
    lost = export("trl", given).exported.lost
    assert list(lost.values()) == [1, 1]
    assert "images" in " ".join(lost) and "not a JSON list" in " ".join(lost)


@pytest.mark.parametrize("name", ["llama-factory", "trl", "open-instruct"])
def test_turns_that_a_trainer_cannot_leave_out_are_counted(export, name):
    turns = [{"role": role, "content": f"{n}"} for n, role in enumerate(["user", "assistant"] * 3)]
    turns[3]["weight"] = 0
    lost = export(name, [{"messages": turns}], "all").exported.lost
    assert [count for reason, count in lost.items() if "learns them too" in reason] == [1]


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("kept")
    subset = hp.select([{"instruction": "Go.", "output": "Gone."}], "longest", size=1)
    with pytest.raises(hp.StoreError, match="not empty"):
        subset.export("trl", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_written_with_the_subset_and_replaced_with_it(tmp_path):
    given = [{"instruction": f"Go {n}.", "output": "Gone " * n} for n in range(1, 9)]
    subset = hp.select(given, "longest", size=3)
    summary = subset.write(tmp_path / "out", export=["trl", "axolotl"])
    assert list(summary.exports) == ["trl", "axolotl"] and summary.exports["trl"]["rows"] == 3
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest["exports"] == dict(summary.exports) and {"trl", "axolotl"} <= set(manifest["outputs"])
    subset.write(tmp_path / "out", export="axolotl")
    assert (tmp_path / "out/axolotl/train.yaml").exists() and not (tmp_path / "out/trl").exists()


def test_the_subset_stays_a_data_set_and_a_pool(tmp_path):
    datasets = pytest.importorskip("datasets", reason="needs the train extra")
    given = [{"instruction": f"Go {n}.", "output": "Gone " * n} for n in range(1, 9)]
    hp.select(given, "longest", size=3).write(tmp_path / "out", export=NAMES)
    found = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert found["train"].to_list() == given[-3:]
    assert hp.read(tmp_path / "out").rows == 3


def test_the_command_line_writes_several_and_says_how_to_start_them(tmp_path, rows):
    (tmp_path / "pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ["select", "pool.jsonl", "--size", "4", "-o", "out", "--max-length", "512"]
    words += ["--export", "trl", "--export", "llama-factory"]
    done = handpicked(*words, "--train", "method=full", "--train", "epochs=15", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "cd out/trl && trl sft --config train.yaml" in done.stdout
    assert "1  rows have names of speakers or ids of calls" in done.stdout
    config = yaml.safe_load((tmp_path / "out/trl/train.yaml").read_text())
    assert (config["max_length"], config["learning_rate"], config["num_train_epochs"]) == (512, 2e-5, 15)
    done = handpicked(*words, "--json", folder=tmp_path)
    assert set(json.loads(done.stdout)["exports"]) == {"trl", "llama-factory"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--export", "lama-factory"], "Did you mean 'llama-factory'?"),
        (["--export", "trl", "--train", "epoch=3"], "train.epoch is not a setting. Did you mean 'epochs'?"),
        (["--export", "trl", "--train", "epochs=0"], "train.epochs 0"),
        (["--train", "epochs=3"], "give --export too"),
        (["--export", "open-instruct", "--train", "epochs=1.5"], "takes whole epochs, not 1.5"),
        (["--export", "unsloth", "--train", "packing=true"], "does not pack"),
    ],
)
def test_a_mistake_is_one_line_before_anything_is_read(tmp_path, words, said):
    done = handpicked("select", "none.jsonl", "--size", "1", "-o", "out", *words, folder=tmp_path)
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_trainer_of_ones_own_file(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from dataclasses import dataclass\n"
        "from typing import ClassVar\n"
        "from handpicked.exports.trainer import Trainer\n\n"
        "@dataclass(frozen=True)\n"
        "class Mine(Trainer):\n"
        "    name: ClassVar[str] = 'mine'\n"
        "    title: ClassVar[str] = 'Mine'\n"
        "    command: ClassVar[str] = 'make'\n\n"
        "    def row(self, lesson, turns):\n"
        "        return {'text': lesson.messages[-1].text}\n\n"
        "    def files(self, job):\n"
        "        return {'rows.txt': str(job.rows)}\n"
    )
    subset = hp.select([{"instruction": "Go.", "output": "Gone."}], "longest", size=1)
    subset.write(tmp_path / "out", export=f"{tmp_path}/mine.py:Mine")
    assert json.loads((tmp_path / "out/mine/data.jsonl").read_text()) == {"text": "Gone."}
    assert Path(tmp_path / "out/mine/rows.txt").read_text() == "1"

"""A whole experiment: done once, gone on with after a kill, run again exactly where a setting asks for it."""

from __future__ import annotations

import importlib.metadata
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from handpicked.endpoint.client import Retry
from handpicked.errors import ConfigError
from handpicked.experiment import stages
from handpicked.experiment.file import load
from handpicked.experiment.run import run
from handpicked.judges import folder as judges
from handpicked.results.schema import from_json
from handpicked.store import digest
from local_batches import answered, local_batches
from local_endpoint import Act, local_endpoint
from made_run import plain

pytest.importorskip("trl", reason="needs the train extra")
pytestmark = pytest.mark.models

WORDS = [
    "the", "tree", "sees", "a", "stone", "and", "the", "river", "takes", "it", "home", "before", "night",
    "falls", "over", "every", "quiet", "field",
]  # fmt: skip


@pytest.fixture(scope="module")
def experiment(tmp_path_factory, tiny_model):
    """An experiment that a tiny random model runs in seconds: five arms, a held-out
    test set, the embedded judge.
    """
    folder = tmp_path_factory.mktemp("experiment")
    rng = random.Random(0)
    rows = [
        {
            "prompt": f"Say something about {i}.",
            "response": " ".join(rng.choices(WORDS, k=rng.randint(3, 30))),
        }
        for i in range(60)
    ]
    (folder / "pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    written = {
        "name": "tiny",
        "why": "Does a run run?",
        "pool": {"path": str(folder / "pool.jsonl"), "hold_out": 6},
        "model": {"name": str(tiny_model)},
        "train": {
            "epochs": 2,
            "batch_size": 4,
            "micro_batch_size": 2,
            "max_length": 400,
            "save_every": 1,
            "learning_rate": 1e-3,
        },
        "arms": {
            "base": {"by": "none"},
            "longest": {"by": "longest", "size": 8},
            "random": {"by": "random", "size": 8, "seed": 1},
            "matched": {"by": "length-matched", "of": "longest", "size": 8},
        },
        "evaluate": {"generate": {"max_new_tokens": 12, "batch_size": 2}},
    }
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(written, sort_keys=False))
    return path


@pytest.fixture(scope="module")
def finished(experiment, tmp_path_factory):
    """The experiment, run once without any interruption."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    said: list[str] = []
    return run(load(experiment), folder, say=said.append)


def contents(folder: Path) -> dict[str, object]:
    """What a run found, without how long it took."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.suffix == ".jsonl" and not name.startswith("."):
            found[name] = [json.loads(line) for line in path.read_text().splitlines()]
        if path.name == "adapter_model.safetensors":
            found[name] = path.read_bytes()
    return found


CHANGES = ("command", "stages", "commit", "dirty")


def without_times(value):
    """Results without what may differ between two runs of the same settings: clocks,
    the command, the checkout.
    """
    if isinstance(value, dict):
        return {k: without_times(v) for k, v in value.items() if "second" not in k and k not in CHANGES}
    return [without_times(part) for part in value] if isinstance(value, list) else value


def test_a_run_ends_with_a_report_that_answers_the_question(finished):
    assert {p.name for p in finished.folder.iterdir() if not p.name.startswith(".")} >= {
        "pool", "subset", "model", "losses", "answers", "verdicts", "report.html", "report.md", "results.json", "run.log",
    }  # fmt: skip
    results = json.loads((finished.folder / "results.json").read_text())
    assert from_json(results) == finished.results and finished.answer == results["answer"]["sentence"]
    assert [arm["name"] for arm in results["arms"]] == ["base", "longest", "random", "matched"]
    assert finished.answer.split()[0].lower() in finished.report.read_text().lower()


def test_every_arm_is_asked_every_prompt_and_all_rows_are_accounted_for(finished):
    prompts = [
        json.loads(line)["prompt_id"] for line in (finished.folder / "prompts.jsonl").read_text().splitlines()
    ]
    assert len(set(prompts)) == 6
    for arm in ("base", "longest", "random", "matched"):
        answers = (finished.folder / f"answers/{arm}/answers.jsonl").read_text().splitlines()
        assert [json.loads(line)["arm"] for line in answers] == [arm] * 6
        assert {json.loads(line)["prompt_id"] for line in answers} == set(prompts)
    for arm in finished.results.arms[1:]:
        selection = arm.selection
        assert selection.kept == 8 and selection.pool == 54
        assert selection.kept + selection.rejected + sum(part.rows for part in selection.dropped) == 54


def upgraded(monkeypatch, library, version="99.0"):
    """That library in another version, as its metadata says it."""
    real = importlib.metadata.version
    monkeypatch.setattr("importlib.metadata.version", lambda name: version if name == library else real(name))
    return real(library)


def test_every_stage_says_which_versions_and_machine_made_it_and_when(finished):
    made = {stage["stage"]: stage for stage in finished.results.provenance["stages"]}
    assert made.keys() >= {
        "pool",
        "subset/longest",
        "model/longest",
        "losses/base",
        "answers/random",
        "audit/answers",
    }
    training = made["model/longest"]
    assert {"torch", "transformers", "trl", "peft", "accelerate"} <= training["libraries"].keys()
    assert training["versions"] == {"train": stages.TRAIN} and training["kept"] == []
    assert training["finished"] >= made["subset/longest"]["finished"] and "CPUs" in training["machine"]
    assert made["subset/longest"]["versions"].keys() == {"selection", "longest", "tokens"}
    assert "kept_versions" not in finished.results.provenance
    assert training["finished"] in finished.report.read_text()


def test_another_release_of_a_library_runs_its_stages_again_and_is_named(
    experiment, finished, tmp_path, monkeypatch
):
    shutil.copytree(finished.folder, tmp_path / "tiny")
    was = upgraded(monkeypatch, "trl")
    said: list[str] = []
    run(load(experiment), tmp_path / "tiny", until="generate", only=["longest"], say=said.append)
    assert said == [f"model/longest: runs again because trl was {was}, is 99.0"], (
        "the same weights come out, so that nothing after it runs again"
    )


def test_keep_versions_makes_nothing_again_and_results_say_what_was_kept(
    experiment, finished, tmp_path, monkeypatch
):
    shutil.copytree(finished.folder, tmp_path / "tiny")
    was = upgraded(monkeypatch, "trl")
    said: list[str] = []
    outcome = run(load(experiment), tmp_path / "tiny", say=said.append, keep_versions=True)
    arms = ("longest", "random", "matched")
    assert said == [f"model/{arm}: kept, although trl was {was}, is 99.0" for arm in arms]
    kept = outcome.results.provenance["kept_versions"]
    assert kept == [f"model/{arm}: trl was {was}, is 99.0" for arm in arms]
    assert contents(tmp_path / "tiny") == contents(finished.folder)
    assert "kept although trl was" in outcome.report.read_text()


def test_execution_settings_make_nothing_run_again(experiment, finished, tmp_path):
    shutil.copytree(finished.folder, tmp_path / "tiny")
    said: list[str] = []
    changed = ["train.save_every=7", "evaluate.generate.batch_size=3", "evaluate.judges=[{timeout: 3.0}]"]
    run(load(experiment, changed), tmp_path / "tiny", say=said.append)
    assert said == []


def as_layout_1(folder: Path) -> None:
    """The run as the version before would have left it: every setting in its manifests, and no version."""
    (folder / ".layout").write_text("1\n")
    for file in folder.rglob("stage.json"):
        manifest = json.loads(file.read_text())
        for new in ("versions", "libraries", "made"):
            del manifest[new]
        manifest["code"] = manifest["fingerprint"] = "0" * 16
        manifest["settings"] |= {"save_every": 1, "timeout": 120.0}
        if "pool" in manifest["inputs"] and manifest["stage"] != "pool":
            manifest["inputs"]["pool"] = digest(folder / "pool/rest/selected.jsonl")
        if manifest["stage"] == "lengths/pool":
            manifest["inputs"]["rows"] = digest(folder / "pool/rest/selected.jsonl")
        file.write_text(json.dumps(manifest))


def test_what_is_made_otherwise_since_the_version_before_runs_again_and_says_so(
    experiment, finished, tmp_path
):
    shutil.copytree(finished.folder, tmp_path / "tiny")
    as_layout_1(tmp_path / "tiny")
    said: list[str] = []
    run(load(experiment), tmp_path / "tiny", until="train", say=said.append)
    again = [line for line in said if line.startswith("model/")]
    assert again and all("because the method 'train' was version 1, is 2" in line for line in again)
    assert not any(line.startswith("subset/") for line in said)


def test_a_run_of_the_version_before_is_resumed(experiment, finished, tmp_path, monkeypatch):
    for method in ("TRAIN", "GENERATE", "REFERENCE_LOSS"):
        monkeypatch.setattr(stages, method, 1)  # as if none of them had changed since
    monkeypatch.setattr(judges, "VERSIONS", dict.fromkeys(judges.VERSIONS, 1))
    shutil.copytree(finished.folder, tmp_path / "tiny")
    as_layout_1(tmp_path / "tiny")
    said: list[str] = []
    outcome = run(load(experiment), tmp_path / "tiny", say=said.append)
    assert len(said) == 1 and said[0].startswith("An earlier version of handpicked made stages of this run")
    assert outcome.answer == finished.answer and contents(tmp_path / "tiny") == contents(finished.folder)
    assert all(stage["finished"] is None for stage in outcome.results.provenance["stages"])
    assert "made by an earlier version of handpicked" in outcome.report.read_text()


def test_held_out_prompts_are_in_no_subset(finished):
    held = {
        json.loads(line)["messages"][0]["content"]
        for line in (finished.folder / "prompts.jsonl").read_text().splitlines()
    }
    for arm in ("longest", "random", "matched"):
        rows = (finished.folder / f"subset/{arm}/selected.jsonl").read_text().splitlines()
        assert not held & {json.loads(row)["prompt"] for row in rows}


def test_a_finished_run_is_skipped_and_renders_the_same_bytes(experiment, finished):
    before = {
        name: (finished.folder / name).read_bytes() for name in ("results.json", "report.html", "report.md")
    }
    stamps = {p: p.stat().st_mtime_ns for p in finished.folder.rglob("stage.json")}
    said: list[str] = []
    (finished.folder / "report.html").unlink()
    run(load(experiment), finished.folder, say=said.append)
    assert said == []
    assert {p: p.stat().st_mtime_ns for p in finished.folder.rglob("stage.json")} == stamps
    assert {name: (finished.folder / name).read_bytes() for name in before} == before


def test_a_changed_setting_runs_again_exactly_what_depends_on_it(experiment, finished, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(finished.folder, copy)
    said: list[str] = []
    run(load(experiment, ["arms.random.seed=2"]), copy, say=said.append)
    assert {line.split(":")[0] for line in said} == {
        "subset/random", "model/random", "losses/random", "answers/random", "verdicts/reference-similarity",
        "lengths/arms/random", "audit/features", "audit/answers",
    }  # fmt: skip
    assert said[0] == "subset/random: runs again because settings.seed was 1, is 2"

    said.clear()
    run(load(experiment, ["arms.random.seed=2", "evaluate.generate.max_new_tokens=6"]), copy, say=said.append)
    assert {line.split(":")[0].split("/")[0] for line in said} == {"answers", "verdicts", "audit"}
    assert "settings.max_new_tokens was 12, is 6" in said[0]


def test_a_run_whose_judge_works_by_batches_is_run_again_until_they_are_done(experiment, finished, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(finished.folder, copy)
    with local_batches(lambda row: answered(row, "7 3")) as server:
        judge = {"name": "scores", "model": "m", "base_url": server.url, "batch": True}
        command = [
            "handpicked",
            "run",
            experiment,
            "-o",
            copy,
            "--set",
            f"evaluate.judges={json.dumps([judge])}",
        ]

        def again() -> subprocess.CompletedProcess[str]:
            environment = os.environ | {"HANDPICKED_CACHE": str(tmp_path / "cache")}
            words = [sys.executable, "-m", *map(str, command)]
            return subprocess.run(words, capture_output=True, text=True, env=environment, check=False)

        submitted, waiting = again(), again()
        assert (submitted.returncode, waiting.returncode) == (75, 75)
        assert len(server.made) == 1 and "in_progress" in waiting.stderr
        server.status = "completed"
        done = again()
        assert done.returncode == 0, done.stderr
        assert len(server.made) == 1
    results = json.loads((copy / "results.json").read_text())
    assert [one["name"] for one in results["judges"]] == ["scores/m"]
    assert results["judges"][0]["first_position"]["value"] == 1.0
    assert (copy / "report.html").is_file()


def test_verdicts_that_lack_a_lost_reply_are_asked_for_again_alone(
    experiment, finished, tmp_path, monkeypatch
):
    monkeypatch.setenv("HANDPICKED_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(Retry, "pause", lambda *_: 0.01)
    copy, sick = tmp_path / "copy", []
    shutil.copytree(finished.folder, copy)

    def act(body, count):
        text = body["messages"][-1]["content"]
        sick.extend([text] if count == 2 else [])
        return Act(status=500) if text in sick else Act("7 3")

    with local_endpoint(act) as server:
        judge = {"name": "scores", "model": "m", "base_url": server.url, "concurrency": 1}

        def judged():
            before, said = len(server.bodies), []
            again = load(experiment, [f"evaluate.judges={json.dumps([judge])}"])
            run(again, copy, say=said.append)
            verdicts = [json.loads(line) for line in (copy / "verdicts/scores-m/verdicts.jsonl").open()]
            lost = [any(review["lost"] for review in one["reviews"]) for one in verdicts]
            return verdicts, sum(lost), server.bodies[before:], said

        verdicts, lost, sent, _ = judged()
        assert lost == 1 and len(sent) == len({body["messages"][-1]["content"] for body in sent}) + 5
        same, lost, sent, said = judged()
        assert (same, lost, len(sent)) == (verdicts, 1, 6) and "stays as it is" in said[1]
        shutil.rmtree(tmp_path / "cache")  # what is there needs it no more
        sick.clear()
        healed, lost, sent, _ = judged()
        assert lost == 0 and 1 <= len(sent) <= 2  # both orders of one pair, unless they are the same request
        assert sum(one != other for one, other in zip(healed, verdicts, strict=True)) == 1
        assert json.loads((copy / "results.json").read_text())["judges"][0]["unparsed"]["value"] == 0
        assert judged()[2:] == ([], [])


@pytest.mark.parametrize("stage", ["subset", "model", "answers", "verdicts"])
def test_a_killed_run_goes_on_and_comes_to_the_same_results(experiment, finished, tmp_path, stage):
    folder = tmp_path / "killed"
    words = [sys.executable, "-m", "handpicked", "run", str(experiment), "-o", str(folder)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not (folder / ".work" / stage).exists():
            time.sleep(0.002)
        time.sleep(random.Random(stage).uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        process.wait()
    outcome = run(load(experiment), folder)
    assert contents(folder) == contents(finished.folder)
    assert without_times(plain(outcome.results)) == without_times(plain(finished.results))


def test_two_runs_at_once_in_one_folder(experiment, finished):
    from handpicked.store import open_run

    words = [sys.executable, "-m", "handpicked", "run", str(experiment), "-o", str(finished.folder)]
    with open_run(finished.folder):
        second = subprocess.run(words, capture_output=True, text=True)
    assert second.returncode == 2 and f"in use by process {os.getpid()}" in second.stderr
    assert second.stderr.count("\n") == 1


def test_an_unknown_arm_is_named_with_the_closest(experiment, tmp_path):
    with pytest.raises(ConfigError, match="Did you mean 'random'"):
        run(load(experiment), tmp_path / "r", only=["randon"])


def test_a_part_of_the_run_can_be_asked_for(experiment, tmp_path):
    outcome = run(load(experiment), tmp_path / "r", until="train", only=["matched"])
    assert outcome.results is None
    assert (outcome.folder / "model/matched/adapter/adapter_model.safetensors").is_file()
    assert not (outcome.folder / "model/longest").exists() and not (outcome.folder / "answers").exists()


def test_several_mistakes_of_one_file_are_all_told_before_anything_starts(experiment, tmp_path):
    broken = yaml.safe_load(experiment.read_text())
    broken["arms"]["longest"]["by"] = "longes"
    broken["arms"]["random"]["guards"] = ["token-windo=1:2"]
    broken["model"]["name"] = str(tmp_path / "no-such-model")
    broken["evaluate"]["judges"] = [{"name": "scors"}]
    broken["evaluate"]["prompts"] = [{"name": "vicuna", "path": str(tmp_path / "vicuna.jsonl")}]
    broken["train"]["template"] = "alpaka"
    broken["train"]["learnin_rate"] = 1
    path = tmp_path / "broken.yaml"
    path.write_text(yaml.safe_dump(broken))
    words = [sys.executable, "-m", "handpicked", "run", str(path), "-o", str(tmp_path / "out")]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 2 and not (tmp_path / "out").exists() and "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 7, done.stderr
    for part in (
        "'longest'",
        "'token-window'",
        "no-such-model",
        "'scores'",
        "vicuna.jsonl",
        "'alpaca'",
        "'learning_rate'",
    ):
        assert part in done.stderr
    assert all(f"{path}, line " in line for line in done.stderr.splitlines())

"""Benchmarks on local files: the numbers of plain lm-eval, every named benchmark, and what goes wrong."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import pytest

from handpicked.bench import (
    BENCHMARKS,
    BenchmarkFailed,
    InParts,
    LocalModel,
    check_files,
    evaluate,
    find,
    planned,
    tasks_of,
)
from handpicked.bench.catalogue import AVERAGES
from handpicked.config import BUNDLED_LM, BenchSettings, ModelSettings
from handpicked.errors import ConfigError, PoolError

pytest.importorskip("lm_eval", reason="needs the bench extra")


# Plain lm-eval on the same file: its own YAML included, the data source named in it, and nothing of ours in
# between.
PLAIN = {
    "hellaswag": ("hellaswag/hellaswag.yaml", "validation", 10),
    "winogrande": ("winogrande/default.yaml", "validation", 5),
    "gsm8k": ("gsm8k/gsm8k.yaml", "test", 5),
}


def plain_lm_eval(name: str, folder: Path, model: Path, scratch: Path, limit: int) -> dict:
    import lm_eval
    import yaml
    from lm_eval.tasks import TaskManager

    definition, split, shots = PLAIN[name]
    data = find(BENCHMARKS[name], folder)
    written = {
        "include": str(Path(lm_eval.__file__).parent / "tasks" / definition),
        "task": f"plain_{name}",
        "tag": None,
        "dataset_path": "parquet" if data.files[split].suffix == ".parquet" else "json",
        "dataset_name": None,
        "dataset_kwargs": {
            "data_files": {part: str(file) for part, file in data.files.items()},
            "cache_dir": str(scratch),
        },
        "num_fewshot": shots,
    }
    if "train" not in data.files:
        written |= {"training_split": None, "fewshot_split": split, "test_split": split}
    (scratch / "plain.yaml").write_text(yaml.safe_dump(written))
    found = lm_eval.simple_evaluate(
        model="hf",
        model_args={"pretrained": str(model), "dtype": "float32"},
        tasks=[f"plain_{name}"],
        device="cpu",
        batch_size=4,
        limit=limit,
        task_manager=TaskManager(include_defaults=False, include_path=str(scratch)),
    )
    return found["results"][f"plain_{name}"]


def same_as_plain(result, plain: dict) -> None:
    compared = 0
    for metric, score in result.metrics.items():
        name, kind = metric.split(",")
        assert score.value == plain[metric]
        assert score.stderr == plain[f"{name}_stderr,{kind}"]
        compared += 1
    assert compared >= 1


@pytest.mark.parametrize(("name", "limit"), [("hellaswag", 2), ("winogrande", 6), ("gsm8k", 2)])
def test_numbers_are_plain_lm_evals(name, limit, lm, long_model, files, tmp_path, monkeypatch):
    from lm_eval.models.huggingface import HFLM

    monkeypatch.setattr("lm_eval.evaluator.add_env_info", lambda _: None)  # asks pip for its packages: 10 s
    monkeypatch.setattr(HFLM, "max_gen_toks", 8)  # on both sides; 256 tokens take minutes
    found, _ = evaluate(name, lm, find(BENCHMARKS[name], files), limit=limit)
    same_as_plain(found, plain_lm_eval(name, files, long_model, tmp_path, limit))


@pytest.mark.slow
@pytest.mark.models
@pytest.mark.data
@pytest.mark.parametrize("name", PLAIN)
def test_numbers_of_the_bundled_model_are_plain_lm_evals(name, real_data, tmp_path):
    from handpicked.models.bundled import bundled_folder

    model = LocalModel(ModelSettings(name=BUNDLED_LM, dtype="float32"), batch_size=4)
    lm = InParts(model, tmp_path / "requests")
    found, _ = evaluate(name, lm, find(BENCHMARKS[name], real_data), limit=4)
    same_as_plain(found, plain_lm_eval(name, real_data, bundled_folder(BUNDLED_LM), tmp_path, 4))


@pytest.mark.parametrize("name", ["arc-challenge", "hellaswag", "mmlu", "truthfulqa-mc2", "winogrande"])
def test_every_benchmark_runs_from_files(name, lm, files):
    result, samples = evaluate(name, lm, find(BENCHMARKS[name], files), limit=2)
    assert result.metric == BENCHMARKS[name].metric and result.shots == BENCHMARKS[name].shots
    assert 0 <= result.score.value <= 1
    assert result.score.n == len(samples) == 2 * max(1, len(result.subtasks))
    mean = sum(sample.values[result.metric] for sample in samples) / len(samples)
    assert result.score.value == pytest.approx(mean)
    assert all((sample.answer is not None) == BENCHMARKS[name].generates for sample in samples)
    rows = find(BENCHMARKS[name], files).rows()
    evaluated = next(part for part in (rows.get(split) for split in ("test", "validation")) if part)
    asked = {sample.question for sample in samples}
    if name in ("hellaswag", "winogrande"):  # texts to be completed ask nothing
        assert asked == {None}
    else:
        assert asked <= {row["question"] for row in evaluated}


@pytest.mark.parametrize("name", ["longform", "eli5", "ifeval"])
def test_free_text_is_asked_in_the_chat_template(name, lm, files, monkeypatch):
    asked = []
    monkeypatch.setattr(
        lm, "generate_until", lambda requests, **_: [asked.append(r.args[0]) or "A bird." for r in requests]
    )
    result, samples = evaluate(name, lm, find(BENCHMARKS[name], files), chat=True)
    assert all(prompt.startswith("<|im_start|>system") for prompt in asked)
    assert result.score.n == len(samples) == (5 if name == "eli5" else 6)
    assert all(sample.characters == len("A bird.") for sample in samples)
    assert all(
        sample.question and sample.question in prompt for sample, prompt in zip(samples, asked, strict=True)
    )


def test_bbh_reads_the_answer_out_of_the_thoughts(lm, files, monkeypatch):
    """Three examples with their thoughts, then ours; the answer stands before the full stop."""
    asked = []

    def answer(requests, **_):
        asked.extend(request.args[0] for request in requests)
        return ["Let us see. So the answer is yes." for _ in requests]

    monkeypatch.setattr(lm, "generate_until", answer)
    data = find(BENCHMARKS["bbh"], files)
    result, samples = evaluate("bbh", lm, data)
    assert all(prompt.count("Let's think step by step.") == 4 for prompt in asked)
    rows = data.rows()["test"]
    assert result.score.value == sum(row["target"] == "yes" for row in rows) / len(rows)
    assert len(result.subtasks) == 2 and len(samples) == len(rows)


def test_groups_weigh_their_tasks_by_size(lm, files):
    result, _ = evaluate("mmlu", lm, find(BENCHMARKS["mmlu"], files))
    parts = result.subtasks
    assert set(parts) == {"mmlu_anatomy", "mmlu_astronomy"}  # no row of the other 55 subjects is there
    weighted = sum(part.value * part.n for part in parts.values()) / sum(part.n for part in parts.values())
    assert result.score.value == pytest.approx(weighted)
    assert result.score.n == 12


def test_batch_size_changes_no_choice(long_model, files, tmp_path):
    model, data = ModelSettings(name=str(long_model), dtype="float32"), find(BENCHMARKS["winogrande"], files)
    one, many = (
        evaluate("winogrande", InParts(LocalModel(model, batch_size=size), tmp_path / str(size)), data)[1]
        for size in (1, 7)
    )
    assert one == many


def test_an_empty_set_has_no_accuracy(lm, files, tmp_path):
    shutil.copytree(files, tmp_path / "data")
    (tmp_path / "data" / "gsm8k_test.jsonl").write_text("")
    result, samples = evaluate("gsm8k", lm, find(BENCHMARKS["gsm8k"], tmp_path / "data"))
    assert result.score.value is None and result.score.n == 0 and samples == []
    assert "gsm8k_test.jsonl has no rows" in result.reason


def test_examples_from_elsewhere_are_reported(files):
    assert find(BENCHMARKS["gsm8k"], files).note is None
    assert (
        find(BENCHMARKS["hellaswag"], files).note
        == "examples come from hellaswag_val.jsonl, because there is no train file"
    )


def test_wrong_fields_name_the_file_the_row_and_the_field(files, tmp_path):
    (tmp_path / "gsm8k_test.jsonl").write_text(json.dumps({"question": "?", "solution": "#### 1"}) + "\n")
    with pytest.raises(
        PoolError, match=r"gsm8k_test\.jsonl, row 1: gsm8k needs the field 'answer'.*question, solution"
    ):
        check_files(["gsm8k"], str(tmp_path))
    (tmp_path / "gsm8k_test.jsonl").write_text(json.dumps({"question": "?", "answer": "1"}) + "\n")
    with pytest.raises(PoolError, match="does not end in '#### NUMBER'"):
        check_files(["gsm8k"], str(tmp_path))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "line 1: not valid JSON"),
        ("[1]\n", "must hold a list of rows"),
        ("\x00", "line 1: the line holds only NUL bytes"),
    ],
)
def test_files_that_are_none_are_refused(text, said, tmp_path):
    (tmp_path / "gsm8k_test.jsonl").write_text(text)
    with pytest.raises(PoolError, match=said):
        check_files(["gsm8k"], str(tmp_path))


def test_of_a_file_and_a_packed_copy_of_it_the_plain_one_is_read(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    plain = tmp_path / "b" / "gsm8k_test.jsonl"
    plain.write_text('{"question": "1 + 1?", "answer": "#### 2"}\n')
    packed = tmp_path / "a" / "gsm8k_test.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert find(BENCHMARKS["gsm8k"], tmp_path).files["test"] == plain
    plain.unlink()
    assert find(BENCHMARKS["gsm8k"], tmp_path).files["test"] == packed


def test_missing_and_ambiguous_files(files, tmp_path):
    with pytest.raises(ConfigError, match="no data for longform"):
        check_files(["longform"], str(tmp_path))
    with pytest.raises(ConfigError, match="There is no folder"):
        check_files(["gsm8k"], str(tmp_path / "nowhere"))
    for name in ("gsm8k_test.jsonl", "gsm8k-test.json"):
        (tmp_path / name).write_text("[]")
    with pytest.raises(ConfigError, match="Two files could be the test split of gsm8k"):
        check_files(["gsm8k"], str(tmp_path))


@pytest.mark.parametrize(
    ("name", "meant"),
    [("helaswag", "hellaswag"), ("arc_challange", "arc"), ("arc_easyy", "arc_easy")],
)
def test_unknown_names(name, meant):
    with pytest.raises(ConfigError, match=f"There is no benchmark '{name}'. Did you mean '{meant}"):
        check_files([name], None)


def test_names_of_lm_eval_are_known():
    check_files(["arc_easy", "mmlu_stem", "leaderboard"], None)


def test_averages_are_made_of_their_members():
    assert tasks_of(["gsm8k", "avg2"]) == ["gsm8k", *(name for name in AVERAGES["avg2"] if name != "gsm8k")]
    assert set(AVERAGES["avg2"]) - set(AVERAGES["avg1"]) == {"bbh"}


def test_a_benchmark_that_breaks_says_why(lm, files, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("the kernel gave up\nand more")

    monkeypatch.setattr(lm, "loglikelihood", broken)
    with pytest.raises(BenchmarkFailed, match=r"^RuntimeError: the kernel gave up$"):
        evaluate("winogrande", lm, find(BENCHMARKS["winogrande"], files))


def test_nothing_but_results_on_stdout(lm, files, capsys):
    evaluate("truthfulqa-mc2", lm, find(BENCHMARKS["truthfulqa-mc2"], files), limit=2)
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err == ""


def test_documents_are_counted_aloud(lm, files):
    from contextlib import contextmanager

    heard = []

    @contextmanager
    def progress(label, total):
        heard.append([label, total, 0.0])
        yield lambda n: heard[-1].__setitem__(2, heard[-1][2] + n)

    lm.label, lm.progress = "base arc", progress
    evaluate("arc-challenge", lm, find(BENCHMARKS["arc-challenge"], files), limit=3)
    assert heard == [["base arc (documents)", 3, pytest.approx(3)]]


def test_a_plan_counts_what_the_files_hold(files):
    by_name = {
        one.benchmark: one for one in planned(["avg2", "arc_easy"], BenchSettings(data=str(files), limit=4))
    }
    assert by_name["mmlu"].documents == 8 and by_name["mmlu"].requests == 32
    assert by_name["gsm8k"].documents == 4
    assert by_name["arc_easy"].documents is None
    assert planned(["mmlu"], BenchSettings(limit=2))[0].documents == 114
    assert planned(["gsm8k"], BenchSettings())[0].documents == 1319


def test_overlap_scores_agree_with_known_values():
    from handpicked.bench.overlap import overlap

    assert overlap("", ["a bird"]) == {"meteor": 0.0, "rouge_l": 0.0}
    same = overlap("the cat sat on the mat", ["the cat sat on the mat"])
    assert same["rouge_l"] == 1.0 and same["meteor"] == pytest.approx(
        1 - 0.5 / 6**3
    )  # one chunk of six words
    # ROUGE-L by hand: the longest common subsequence of 3 words, precision 3/4, recall 3/5
    assert overlap("a b x c", ["a b c d e"])["rouge_l"] == pytest.approx(2 * 0.75 * 0.6 / (0.75 + 0.6))
    best = overlap("the cat sat", ["birds fly", "the cat sat"])
    assert best["rouge_l"] == 1.0


def test_long_answers_can_be_judged_as_prompts(files):
    from handpicked.data import read_prompts

    prompts = read_prompts(
        files / "eli5_lfqa_subset.jsonl", "eli5", map={"prompt": "question", "reference": "answer_paragraph"}
    )
    assert len(prompts) == 6 and all(prompt.reference for prompt in prompts)

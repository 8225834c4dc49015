"""``handpicked bench``: one model's benchmarks, resumed one by one; mistakes and
breakages reported as they are.
"""

from __future__ import annotations

import gc
import json
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

from made_benchmarks import write_benchmarks

from handpicked.bench import ServedModel
from handpicked.config import BenchSettings
from handpicked.errors import BenchmarkError, ConfigError
from handpicked.experiment import bench_model as benching
from local_endpoint import Act, local_endpoint

pytest.importorskip("lm_eval", reason="needs the bench extra")


@pytest.fixture
def settings(tmp_path):
    return BenchSettings(data=str(write_benchmarks(tmp_path / "data", rows=3)), limit=2)


@pytest.fixture
def subject(tiny_model, settings):
    return benching.model_subject(str(tiny_model), None, "auto", settings)


def scores(table):
    return {row.benchmark: row.arms[0].score.value for row in table.benchmarks}


def test_one_breaks_the_others_finish_and_it_alone_resumes(subject, settings, tmp_path, monkeypatch):
    from lm_eval.api import task

    whole = task.ConfigurableTask.process_results

    def broken(self, doc, results):
        if self.config.task == "truthfulqa_mc2":
            raise ZeroDivisionError("no probability left")
        return whole(self, doc, results)

    said = []
    names = ["truthfulqa-mc2", "winogrande"]
    with monkeypatch.context() as patched:
        patched.setattr(task.ConfigurableTask, "process_results", broken)
        first = benching.bench(subject, names, settings, tmp_path / "out", say=said.append)
    cells = {row.benchmark: row.arms[0] for row in first.benchmarks}
    assert cells["truthfulqa-mc2"].failed
    assert cells["truthfulqa-mc2"].reason == "ZeroDivisionError: no probability left"
    assert cells["winogrande"].score.value is not None
    with pytest.raises(BenchmarkError, match="truthfulqa-mc2 of model failed: ZeroDivisionError"):
        benching.refuse_broken(first.benchmarks)
    assert any("the others continue" in line for line in said)

    done = (tmp_path / "out" / "bench" / "model" / "winogrande" / "stage.json").stat().st_mtime_ns
    second = benching.bench(subject, names, settings, tmp_path / "out")
    benching.refuse_broken(second.benchmarks)
    assert scores(second)["truthfulqa-mc2"] is not None
    assert (tmp_path / "out" / "bench" / "model" / "winogrande" / "stage.json").stat().st_mtime_ns == done


def test_what_is_done_is_not_done_again(subject, settings, tmp_path, monkeypatch):
    names = ["winogrande", "truthfulqa-mc2"]
    first = benching.bench(subject, names, settings, tmp_path / "out")
    monkeypatch.setattr("handpicked.bench.lm.load_model", None)  # loading the model again would fail
    assert benching.bench(subject, names, settings, tmp_path / "out") == first


def test_an_adapter_folder_brings_its_base_model(tiny_model, settings, tmp_path):
    peft = pytest.importorskip("peft")
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    peft.get_peft_model(model, peft.LoraConfig(r=2, target_modules="all-linear")).save_pretrained(
        tmp_path / "adapter"
    )
    subject = benching.model_subject(str(tmp_path / "adapter"), None, "auto", settings)
    plain = benching.model_subject(str(tiny_model), None, "auto", settings)
    assert subject.identity.startswith(plain.identity) and subject.identity != plain.identity
    # a fresh adapter adds nothing, so the numbers are the base model's
    names = ["winogrande"]
    assert scores(benching.bench(subject, names, settings, tmp_path / "a")) == scores(
        benching.bench(plain, names, settings, tmp_path / "b")
    )


def test_a_chat_endpoint_generates_and_tells_no_likelihoods(settings, tmp_path):
    with local_endpoint(lambda *_: Act("It is #### 1")) as server:
        subject = benching.endpoint_subject(ServedModel(server.url, "m", chat=True))
        table = benching.bench(subject, ["gsm8k"], settings, tmp_path / "out")
        assert scores(table) == {"gsm8k": 0.5}  # of the answers 0 and 1
        assert all("Question:" in asked for asked in server.asked)
        before = len(server.bodies)
        with pytest.raises(
            ConfigError, match=r"winogrande: compares the likelihoods.*chat completions do not return"
        ):
            benching.bench(subject, ["winogrande"], settings, tmp_path / "out")
        assert len(server.bodies) == before


@pytest.mark.parametrize("concurrency", [1, 4])
def test_an_endpoint_that_refuses_shows_its_words_and_never_the_key(
    settings, tmp_path, monkeypatch, capfd, caplog, concurrency
):
    key = "sk-bench-0123456789"
    monkeypatch.setenv("OPENAI_API_KEY", key)
    words = json.dumps(
        {"error": {"message": f"Incorrect API key: {key}", "code": "invalid_api_key"}}
    ).encode()
    monkeypatch.setattr("lm_eval.models.api_models.wait_exponential", lambda **_: lambda _: 0.0)
    with local_endpoint(lambda *_: Act(status=401, body=words)) as server:
        endpoint = ServedModel(server.url, "m", chat=True, concurrency=concurrency)
        table = benching.bench(benching.endpoint_subject(endpoint), ["gsm8k"], settings, tmp_path / "out")
        with pytest.raises(BenchmarkError) as caught:
            benching.refuse_broken(table.benchmarks)
    said = str(caught.value)
    assert "invalid_api_key: Incorrect API key: ***" in said
    assert "OPENAI_API_KEY" in said
    shown = capfd.readouterr()
    assert key not in said + shown.out + shown.err + caplog.text
    for file in (tmp_path / "out").rglob("*"):
        assert not file.is_file() or key.encode() not in file.read_bytes()
    assert server.keys[0] == f"bearer {key}"
    gc.collect()  # lm-eval leaves failed tasks behind, which asyncio logs when they go


def test_an_endpoint_without_a_tokenizer_is_refused_where_it_is_needed(settings, tmp_path):
    subject = benching.endpoint_subject(ServedModel("http://127.0.0.1:9/v1", "m"))
    with pytest.raises(ConfigError, match="--tokenizer"):
        benching.bench(subject, ["winogrande"], settings, tmp_path / "out")


def test_no_benchmark_named(subject, settings, tmp_path):
    with pytest.raises(ConfigError, match="Which benchmarks"):
        benching.bench(subject, [], settings, tmp_path / "out")


def test_the_command(tiny_model, settings, tmp_path, capsys, monkeypatch):
    from handpicked.cli import main

    def run(*words):
        monkeypatch.setattr("sys.argv", ["handpicked", "bench", *map(str, words)])
        with pytest.raises(SystemExit) as stopped:
            main()
        shown = capsys.readouterr()
        return stopped.value.code, shown.out, shown.err

    given = [tiny_model, "--benchmark", "winogrande", "--data", settings.data, "--limit", 2]
    code, out, _ = run(*given, "-o", tmp_path / "out", "--json")
    assert code == 0
    row = json.loads(out)["benchmarks"][0]
    assert row["benchmark"] == "winogrande" and row["shots"] == 5 and row["arms"][0]["score"]["n"] == 2
    code, out, _ = run(*given, "-o", tmp_path / "out")
    (line,) = [line.split() for line in out.splitlines() if line.split()[:1] == ["winogrande"]]
    assert code == 0 and line[-1] == "2"
    assert run(*given)[0] == 2
    code, _, err = run(*given, "--devices", "0;1", "-o", tmp_path / "new")
    assert code == 2 and "names no device" in err and not (tmp_path / "new").exists()
    code, _, err = run(tiny_model, "--benchmark", "wino-grande", "-o", tmp_path / "out")
    assert code == 2 and "Did you mean 'winogrande'?" in err
    shutil.rmtree(tmp_path / "out")

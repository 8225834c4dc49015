"""A served model answers and is measured as the same model is here."""

from __future__ import annotations

from pathlib import Path

import pytest

from handpicked.bench import reference_loss
from handpicked.config import GenerateSettings, ModelSettings
from handpicked.errors import ConfigError, EndpointError
from handpicked.generate import generate
from handpicked.models.load import load_tokenizer
from handpicked.models.served import ArmModel, Served, Servers, client
from handpicked.models.template import load_template
from handpicked.records import Message, Prompt
from local_vllm import Faults, LocalVllm, running, settled

pytest.importorskip("peft", reason="needs the train extra")

PROMPTS = [
    Prompt(f"p{i}", (Message("user", "why " * i + "?"),), "test", reference="be" * i)
    for i in (1, 9, 3, 30, 2, 17, 5)
]
HERE = GenerateSettings(max_new_tokens=12, batch_size=3)


@pytest.fixture(scope="session")
def adapter(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random LoRA adapter, which changes answers."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("adapter")
    config = LoraConfig(r=4, lora_alpha=64, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    get_peft_model(AutoModelForCausalLM.from_pretrained(tiny_model), config).save_pretrained(folder)
    return folder


@pytest.fixture
def model(tiny_model: Path) -> ModelSettings:
    return ModelSettings(name=str(tiny_model), dtype="float32")


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(client, "PAUSES", (0.01, 0.01, 0.01))


def reach(url: str, model: ModelSettings, adapter: Path | None = None) -> Served:
    settings = GenerateSettings(engine="vllm", server=url)
    return Servers(settings, {"arm": ArmModel(model, adapter)}).served("arm", Path("unused"))


def ask(
    out: Path, model: ModelSettings, adapter: Path | None, url: str | None, prompts=PROMPTS, settings=HERE
):
    served = None if url is None else lambda: reach(url, model, adapter)
    return generate(prompts, ArmModel(model, adapter), settings, out, name="arm", served=served)


def test_greedy_answers_are_those_of_transformers(model, adapter, tmp_path):
    with running(LocalVllm(model.name, {"arm": str(adapter)})) as vllm:
        plain = ask(tmp_path / "plain.jsonl", model, None, vllm.url)
        tuned = ask(tmp_path / "tuned.jsonl", model, adapter, vllm.url)
    assert plain == ask(tmp_path / "plain-here.jsonl", model, None, None)
    assert tuned == ask(tmp_path / "tuned-here.jsonl", model, adapter, None)
    assert tuned != plain, "the adapter says something else"
    assert [body["model"] for body in vllm.asked] == [model.name] * len(PROMPTS) + ["arm"] * len(PROMPTS)


def test_prompts_are_the_token_ids_of_training_and_every_setting_is_reported(model, tmp_path):
    hot = HERE.model_copy(update={"temperature": 0.7, "top_p": 0.9, "seed": 3})
    with running(LocalVllm(model.name)) as vllm:
        first = ask(tmp_path / "a.jsonl", model, None, vllm.url + "/v1/", settings=hot)
        assert ask(tmp_path / "b.jsonl", model, None, vllm.url, settings=hot) == first
    template = load_template("auto", load_tokenizer(model))
    asked = vllm.asked[: len(PROMPTS)]
    expected = sorted(template.encode_prompt(prompt.messages) for prompt in PROMPTS)
    assert sorted(body["prompt"] for body in asked) == expected
    assert len({body["seed"] for body in asked}) == 3, "a seed for each batch of three"
    for body in asked:
        assert (body["temperature"], body["top_p"], body["top_k"], body["min_p"]) == (0.7, 0.9, -1, 0.0)
        assert (body["repetition_penalty"], body["max_tokens"], body["stop_token_ids"]) == (1.0, 12, [2])


@pytest.mark.parametrize("with_adapter", [False, True])
def test_held_out_losses_are_those_of_transformers(model, adapter, tmp_path, with_adapter):
    used = adapter if with_adapter else None
    long = Prompt("long", (Message("user", "x" * 600),), "test", reference="y")
    asked = [*PROMPTS, long]
    with running(LocalVllm(model.name, {"arm": str(adapter)})) as vllm:
        there = reference_loss(
            asked, ArmModel(model, used), tmp_path / "a.jsonl", name="arm",
            served=lambda: reach(vllm.url, model, used),
        )  # fmt: skip
    here = reference_loss(asked, ArmModel(model, used), tmp_path / "b.jsonl", name="arm")
    assert [one.prompt_id for one in there] == [one.prompt_id for one in asked]
    for mine, theirs in zip(here[:-1], there[:-1], strict=True):
        assert theirs.value == pytest.approx(mine.value, abs=1e-4) and theirs.tokens == mine.tokens
    assert there[-1].value is None and "context of 511" in (there[-1].reason or "")


def test_a_server_that_stumbles_is_asked_again(model, tmp_path):
    with running(LocalVllm(model.name, faults=Faults(refuses=3))) as vllm:
        there = ask(tmp_path / "a.jsonl", model, None, vllm.url)
    assert there == ask(tmp_path / "b.jsonl", model, None, None)
    assert len(vllm.asked) == len(PROMPTS) + 3


def test_what_is_done_is_kept_when_a_server_fails_for_good(model, tmp_path):
    prompts = [Prompt(f"q{i}", (Message("user", str(i)),), "test") for i in range(150)]
    short = HERE.model_copy(update={"max_new_tokens": 2})
    with running(LocalVllm(model.name)) as vllm:
        plain, counted = vllm.complete, [0]

        def fails_later(body):
            counted[0] += 1
            return plain(body) if counted[0] <= 63 else (500, {"error": {"message": "no"}})

        vllm.complete = fails_later
        with pytest.raises(EndpointError, match=r"HTTP 500. Finished work is kept"):
            ask(tmp_path / "a.jsonl", model, None, vllm.url, prompts, short)
        settled(lambda: counted[0])
        del vllm.complete
        assert len(vllm.asked) == 63, "a part is 21 batches of three"
        found = ask(tmp_path / "a.jsonl", model, None, vllm.url, prompts, short)
    assert len(found) == 150 == len(vllm.asked)


def test_a_server_that_is_not_needed_is_not_asked(model, tmp_path):
    ask(tmp_path / "a.jsonl", model, None, None)
    assert ask(tmp_path / "a.jsonl", model, None, "http://127.0.0.1:9") == ask(
        tmp_path / "b.jsonl", model, None, None
    )


def test_no_server_is_reported(model, tmp_path):
    with pytest.raises(EndpointError, match=r"There is no vLLM at http://127.0.0.1:9: connection failed"):
        ask(tmp_path / "a.jsonl", model, None, "http://127.0.0.1:9/v1")


def test_a_server_of_another_model_is_reported(model, tmp_path):
    with running(LocalVllm("/models/other")) as vllm:
        with pytest.raises(EndpointError, match=r"serves '/models/other' .*, not .*tiny-model"):
            ask(tmp_path / "a.jsonl", model, None, vllm.url)
        assert not vllm.asked


def test_a_model_that_is_gone_by_then_is_reported(model, tmp_path):
    with running(LocalVllm(model.name)) as vllm:
        served = reach(vllm.url, model)
        vllm.model = "/models/other"
        with pytest.raises(EndpointError, match=r"does not exist"):
            generate(PROMPTS, ArmModel(model), HERE, tmp_path / "a.jsonl", name="arm", served=lambda: served)


def test_an_adapter_that_a_server_lacks_is_loaded_or_the_way_is_reported(model, adapter, tmp_path):
    with running(LocalVllm(model.name)) as vllm:
        with pytest.raises(EndpointError, match=r"does not load it .*--enable-lora"):
            ask(tmp_path / "a.jsonl", model, adapter, vllm.url)
        vllm.loads = True
        there = ask(tmp_path / "a.jsonl", model, adapter, vllm.url)
    assert there == ask(tmp_path / "b.jsonl", model, adapter, None)


def test_a_prompt_too_long_for_the_server_is_reported(model, tmp_path):
    long = [Prompt("long", (Message("user", "x" * 600),), "test")]
    with running(LocalVllm(model.name)) as vllm, pytest.raises(ConfigError, match="context of 512 tokens"):
        ask(tmp_path / "a.jsonl", model, None, vllm.url, long)


def test_an_old_server_without_token_ids_is_reported(model, tmp_path):
    with running(LocalVllm(model.name)) as vllm:
        plain = vllm.complete
        vllm.complete = lambda body: plain({**body, "return_token_ids": False})
        with pytest.raises(EndpointError, match=r"release 0\.10\.2"):
            ask(tmp_path / "a.jsonl", model, None, vllm.url)


def test_log_probabilities_of_other_tokens_are_refused(model, tmp_path):
    with running(LocalVllm(model.name)) as vllm:
        plain = vllm.complete
        vllm.complete = lambda body: plain({**body, "prompt": [one + 1 for one in body["prompt"]]})
        with pytest.raises(EndpointError, match="other tokens"):
            reference_loss(
                PROMPTS, ArmModel(model), tmp_path / "a.jsonl", name="arm",
                served=lambda: reach(vllm.url, model),
            )  # fmt: skip

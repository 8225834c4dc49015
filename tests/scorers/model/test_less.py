"""LESS, piece by piece against torch's own optimizer and autograd, then as a whole
against a computation by hand.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from handpicked.config import ModelSettings, TrainSettings
from handpicked.errors import ConfigError, TrainingError
from handpicked.models.adam_state import AdamState, find_states, save_state
from handpicked.progress import SILENT
from handpicked.records import Message, Prompt
from handpicked.scorers.lm.gradients import AdamStep, Projection
from handpicked.scorers.lm.target import TargetSet
from handpicked.scorers.model.less import Less
from handpicked.scorers.pool_scorer import FACTS, SCORES
from made_examples import MadePool, example, made_pool, parts, scores, stopped

torch = pytest.importorskip("torch", reason="needs the train extra")
pytest.importorskip("trl", reason="needs the train extra")

POOL = made_pool(7, seed=2, longest=12)
SETTINGS = TrainSettings(
    epochs=2, batch_size=3, micro_batch_size=3, learning_rate=1e-2, lora_rank=2, keep_optimizer=True, merge=False
)  # fmt: skip
PAIRS = (
    ("why do dogs run?", "the cat", "pets"),
    ("the rain", "it sat twice", "weather"),
    ("seven", "dogs", "pets"),
)


def target(*pairs: tuple[str, str | None, str | None]) -> TargetSet:
    prompts = (
        Prompt(f"t{i}", (Message("user", text),), "target", category, reference)
        for i, (text, reference, category) in enumerate(pairs)
    )
    return TargetSet("target.jsonl", tuple(prompts))


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> ModelSettings:
    return ModelSettings(name=str(tiny_model), dtype="float32")


@pytest.fixture(scope="module")
def trained(model, tmp_path_factory) -> Path:
    """An arm trained for two passes over seven rows, with the states it kept."""
    from handpicked.train import train

    out = tmp_path_factory.mktemp("trained") / "arm"
    train(list(POOL.found), model, SETTINGS, out, arm="warmup")
    return out


@pytest.fixture
def less(trained) -> Less:
    return Less(target(*PAIRS), str(trained))


def run(scorer, work: Path, pool=POOL, rows=None):
    work.mkdir(exist_ok=True, parents=True)
    scorer.score(pool, rows, work, SILENT)
    return scores(work, *scorer.values)


def plain_gradients(state: AdamState, conversations: list[list[Message]]):
    """Each conversation's gradient by transformers' own loss and backward, over all adapter weights."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(state.model.name)
    causal = AutoModelForCausalLM.from_pretrained(state.model.name, dtype=torch.float32)
    peft = PeftModel.from_pretrained(causal, state.folder, is_trainable=True).eval()
    names = [name for name, weight in peft.named_parameters() if weight.requires_grad]
    found = []
    for messages in conversations:
        turns = [{"role": m.role, "content": m.content} for m in messages]
        prompt = tokenizer.apply_chat_template(turns[:-1], add_generation_prompt=True, return_dict=False)
        ids = tokenizer.apply_chat_template(turns, return_dict=False)[:-1]
        labels = [-100] * len(prompt) + ids[len(prompt) :]
        peft.zero_grad()
        peft(input_ids=torch.tensor([ids]), labels=torch.tensor([labels])).loss.backward()
        found.append({name: peft.get_parameter(name).grad.clone() for name in names})
    return peft, found


def adams_own_step(state: AdamState, peft, gradients) -> torch.Tensor:
    """How far torch.optim.Adam, with the moments that training kept, moves the
    weights, by the learning rate.
    """
    from safetensors.torch import load_file

    moments = load_file(state.folder / "optimizer.safetensors")
    weights = {name: peft.get_parameter(name).detach().double().requires_grad_() for name in gradients}
    adam = torch.optim.Adam(weights.values(), lr=1.0, betas=(state.beta1, state.beta2), eps=state.epsilon)
    for name, weight in weights.items():
        adam.state[weight] = {
            "step": torch.tensor(float(state.step)),
            "exp_avg": moments[f"exp_avg.{name}"].double(),
            "exp_avg_sq": moments[f"exp_avg_sq.{name}"].double(),
        }
        weight.grad = gradients[name].double()
    before = {name: weight.detach().clone() for name, weight in weights.items()}
    adam.step()
    return torch.cat([(before[name] - weight.detach()).reshape(-1) for name, weight in weights.items()])


def flat(gradients) -> torch.Tensor:
    return torch.cat([one.reshape(-1) for one in gradients.values()]).double()


def by_hand(states: list[AdamState], pool: MadePool) -> np.ndarray:
    """[rows, subsets pets and weather], without any projection."""
    total = np.zeros((len(pool.found), 2))
    for state in states:
        asked = [[Message("user", text), Message("assistant", answer)] for text, answer, _ in PAIRS]
        peft, of_target = plain_gradients(state, asked)
        pets, weather = flat(of_target[0]) + flat(of_target[2]), flat(of_target[1])
        _, of_rows = plain_gradients(state, [list(one.messages) for one in pool.found])
        for place, gradients in enumerate(of_rows):
            step = adams_own_step(state, peft, gradients)
            for subset, wanted in enumerate((pets, weather)):
                cosine = torch.nn.functional.cosine_similarity(step, wanted, dim=0)
                total[place, subset] += state.learning_rate * float(cosine)
    return total / sum(state.learning_rate for state in states)


def test_less_is_the_cosine_of_adams_step_to_the_targets_gradient(less, trained, tmp_path):
    """The adapter has fewer weights than a projection of 16,384 numbers, which so keeps cosines exactly."""
    states = find_states(str(trained))
    assert [state.step for state in states] == [2, 5], "two passes of seven rows in batches of three"
    values, cut, reasons = run(replace(less, dimension=16_384), tmp_path / "work")
    assert values == pytest.approx(by_hand(states, POOL).max(axis=1), abs=1e-4)
    assert set(cut) == {0.0} and set(reasons) == {None}
    assert max(values) - min(values) > 0.01


def test_one_state_and_a_smaller_projection(less, trained, tmp_path):
    state = find_states(str(trained))[0]
    one = replace(less, checkpoint=str(state.folder))
    values, *_ = run(replace(one, dimension=16_384), tmp_path / "exact")
    small, *_ = run(replace(one, dimension=1024), tmp_path / "small")
    assert values == pytest.approx(by_hand([state], POOL).max(axis=1), abs=1e-4)
    assert small != values and small == pytest.approx(values, abs=6 / 1024**0.5)
    again, *_ = run(replace(one, dimension=1024), tmp_path / "again")
    assert again == small, "the same seed, the same projection"


def test_other_rows_order_and_a_kill_change_nothing(less, tmp_path, monkeypatch):
    monkeypatch.setattr(Less, "part_rows", 4)
    whole = run(less, tmp_path / "a")
    moved = POOL.shuffled()
    again, *_ = run(less, tmp_path / "b", moved, rows=[0, 2, 3, 5])
    by_id = dict(zip((one.id for one in POOL.found), whole[0], strict=True))
    assert again == pytest.approx([by_id[moved.found[row].id] for row in (0, 2, 3, 5)], abs=1e-6)
    stopped(less, POOL, tmp_path / "torn", after=11)
    assert parts(tmp_path / "torn")[-1].name == "000001.arrow", "it was at the second state"
    assert run(less, tmp_path / "torn") == whole
    assert {file.name for file in (tmp_path / "torn").iterdir()} == {FACTS, SCORES}


def test_rows_that_have_no_value_say_why_and_cut_ones_are_counted(less, tmp_path):
    pool = MadePool((example(0, "hi", ""), example(1, "x" * 600, "short"), example(2, "hi", "y" * 600)))
    values, cut, reasons = run(less, tmp_path, pool)
    assert values[:2] == [None, None] and values[2] is not None
    assert reasons[0] == "the response is empty" and "no room for a response within 512" in reasons[1]
    assert cut[2] > 600 - 512


def test_the_direction_is_adams_next_step(tmp_path):
    """Five steps of torch.optim.Adam on a small layer; then the sixth, for a gradient of our choice."""
    torch.manual_seed(0)
    layer = torch.nn.Linear(4, 3)
    adam = torch.optim.Adam(layer.parameters(), lr=0.1, betas=(0.8, 0.95), eps=1e-6)
    for _ in range(5):
        adam.zero_grad()
        layer(torch.randn(8, 4)).square().mean().backward()
        adam.step()
    layer.save_pretrained = lambda folder: None
    save_state(layer, adam, tmp_path / "step-5", {})
    state = AdamState(tmp_path / "step-5", 5, 0.1, 0.8, 0.95, 1e-6, "auto", 1, ModelSettings(), "")
    before = torch.cat([weight.detach().reshape(-1) for weight in layer.parameters()]).clone()
    wanted = torch.randn(15)
    for weight, part in zip(layer.parameters(), wanted.split([12, 3]), strict=True):
        weight.grad = part.reshape(weight.shape).clone()
    adam.step()
    after = torch.cat([weight.detach().reshape(-1) for weight in layer.parameters()])
    ours = AdamStep(state, ["weight", "bias"], "cpu")(wanted)
    torch.testing.assert_close(ours, (before - after) / 0.1, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("weights", [100, 5000, 100_003])
def test_a_projection_keeps_inner_products(weights):
    """Over 200 seeds: right on average, and no wider than a dense matrix of random signs would be."""
    draw = torch.Generator().manual_seed(3)
    x, y = torch.randn(2, weights, generator=draw)
    y = y + 0.5 * x
    dimension = 256
    found = torch.tensor(
        [float(p(x) @ p(y)) for p in (Projection(weights, dimension, seed) for seed in range(200))]
    )
    exact = float(x @ y)
    spread = float(((x @ x) * (y @ y) + exact**2) / dimension) ** 0.5
    assert float(found.mean()) == pytest.approx(exact, abs=5 * spread / 200**0.5)
    assert float(found.std()) < 1.2 * spread
    if weights <= dimension:
        assert found.tolist() == pytest.approx([exact] * 200, rel=1e-4)


def test_the_last_state_is_what_was_trained(trained, model):
    from safetensors.torch import load_file

    last = find_states(str(trained / "states"))[-1]
    kept = load_file(last.folder / "adapter_model.safetensors")
    final = load_file(trained / "adapter" / "adapter_model.safetensors")
    assert kept.keys() == final.keys() and all(torch.equal(kept[name], final[name]) for name in kept)
    assert last.model == model and 0 < last.learning_rate < 1e-2
    assert not [path for path in trained.rglob("*") if path.suffix in (".pt", ".bin", ".pth")], "pickles"


def test_nothing_is_kept_unless_asked_for(model, tmp_path):
    from handpicked.train import train

    train(
        list(POOL.found),
        model,
        SETTINGS.model_copy(update={"keep_optimizer": False}),
        tmp_path / "out",
        arm="a",
    )
    with pytest.raises(ConfigError, match="keep_optimizer"):
        find_states(str(tmp_path / "out"))
    full = SETTINGS.model_copy(update={"method": "full"})
    with pytest.raises(TrainingError, match="keep_optimizer"):
        train(list(POOL.found), model, full, tmp_path / "full", arm="a")


def test_mistakes_are_reported(less, tmp_path):
    with pytest.raises(ConfigError, match="no folder"):
        replace(less, checkpoint=str(tmp_path / "nowhere")).identity()
    bare = replace(less, target=target(("why?", None, None), ("how?", "so", None)))
    with pytest.raises(ConfigError, match="1 of the 2 examples"):
        bare.identity()
    step = tmp_path / "states" / "step-1"
    step.mkdir(parents=True)
    (step / "optimizer.safetensors").write_bytes(b"nonsense")
    with pytest.raises(ConfigError, match="damaged"):
        replace(less, checkpoint=str(tmp_path)).identity()


def test_the_target_and_the_states_are_part_of_the_identity(less, trained):
    first = find_states(str(trained))[0]
    identities = {
        less.identity(),
        replace(less, checkpoint=str(first.folder)).identity(),
        replace(less, target=target(*PAIRS[:2])).identity(),
    }
    assert len(identities) == 3


def test_the_estimate_reads_no_weights(less, monkeypatch):
    monkeypatch.setattr(
        "handpicked.scorers.model.less.load_model", lambda *_: pytest.fail("weights were read")
    )
    assert "at 2 states" in less.estimate(POOL, None).sentence


@pytest.mark.parametrize("cosine", [0.0, 0.5, 0.9])
def test_the_noise_of_a_projected_cosine_is_the_one_that_is_stated(cosine):
    weights, dimension = 20_000, 1024
    draw = torch.Generator().manual_seed(3)
    errors = []
    for seed in range(300):
        x, other = torch.randn(2, weights, generator=draw)
        x = x / x.norm()
        other = other - (other @ x) * x
        y = cosine * x + (1 - cosine**2) ** 0.5 * other / other.norm()
        project = Projection(weights, dimension, seed)
        errors.append(float(torch.cosine_similarity(project(x), project(y), dim=0)) - cosine)
    stated = (1 - cosine**2) / dimension**0.5
    assert torch.tensor(errors).std() == pytest.approx(stated, rel=0.15)

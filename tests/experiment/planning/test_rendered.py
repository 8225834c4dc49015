"""Before anything starts, every chat template is tried on the real rows and prompts;
what it refuses is named.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from handpicked.errors import TrainingError
from handpicked.experiment.planning.dry_run import plan
from handpicked.experiment.planning.dry_run_text import text_of

pytest.importorskip("transformers", reason="needs the train extra")

STRICT = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
EXPERIMENT = """\
name: mine
pool: {{path: {folder}/pool.jsonl, hold_out: 2}}
model: {{name: {folder}/model}}
arms:
  base: {{by: none}}
  longest: {{by: longest, size: 4}}
  plain: {{by: random, size: 4, train: {{template: {template}}}}}
evaluate:
  prompts: [{{name: held-out}}, {{name: mine, path: {folder}/prompts.jsonl}}]
  judges: [{{name: reference-similarity}}]
"""


def chat(*turns):
    return json.dumps({"messages": [{"role": role, "content": text} for role, text in turns]}) + "\n"


@pytest.fixture
def folder(tmp_path: Path, tiny_model: Path) -> Path:
    """A model whose template refuses a system role; a pool and prompts of which some have one."""
    shutil.copytree(tiny_model, tmp_path / "model")
    (tmp_path / "model" / "chat_template.jinja").write_text(STRICT)
    rows = [chat(("user", f"Ask {i}."), ("assistant", f"Answer {i}.")) for i in range(8)]
    rows[3] = chat(("system", "Be brief."), ("user", "Ask 3."), ("assistant", "Answer 3."))
    (tmp_path / "pool.jsonl").write_text("".join(rows))
    prompts = [chat(("user", "Why?")), chat(("system", "Be brief."), ("user", "How?"))]
    (tmp_path / "prompts.jsonl").write_text("".join(prompts))
    return tmp_path


def write(folder: Path, template: str = "plain") -> Path:
    file = folder / "e.yaml"
    file.write_text(EXPERIMENT.format(folder=folder, template=template))
    return file


def test_the_dry_run_names_the_rows_and_prompts_that_a_template_refuses(folder):
    planned = plan(write(folder))
    by = {(one.template, one.of): one for one in planned.rendered}
    pool, prompts = str(folder / "pool.jsonl"), "test set mine"
    assert by["auto", pool].checked == 8 and by["auto", pool].refused == 1
    assert by["auto", pool].first == ("row 3: System role not supported",)
    assert by["auto", prompts].checked == 2 and by["auto", prompts].refused == 1
    assert by["plain", pool].refused == by["plain", prompts].refused == 0
    assert "8 rendered, 1 refused and left out (row 3: System role not supported)" in text_of(planned)
    assert planned.summary["rendered"][0]["refused"] == 1


def test_a_template_that_never_ends_is_refused_before_anything_starts(folder):
    wild = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    (folder / "model" / "chat_template.jinja").write_text(wild + STRICT)
    with pytest.raises(TrainingError, match="may never end"):
        plan(write(folder))


def test_a_template_that_the_tokenizer_names_can_be_chosen_and_an_unknown_one_is_a_mistake(folder):
    from handpicked.errors import ConfigError

    (folder / "model" / "additional_chat_templates").mkdir()
    (folder / "model" / "additional_chat_templates" / "tool_use.jinja").write_text(STRICT)
    assert {one.template for one in plan(write(folder, "tool_use")).rendered} == {"auto", "tool_use"}
    with pytest.raises(ConfigError, match=r"no chat template 'tool_usage'\. Did you mean 'tool_use'"):
        plan(write(folder, "tool_usage"))


def test_prompts_that_any_arms_template_refuses_are_left_out_for_all_and_written_down(folder):
    from handpicked.errors import PoolError
    from handpicked.experiment import stages
    from handpicked.experiment.evaluation_prompts import evaluation_prompts
    from handpicked.experiment.file import load
    from handpicked.experiment.job import Job
    from handpicked.experiment.lineup import lineup
    from handpicked.progress import SILENT
    from handpicked.store import open_run

    said: list[str] = []
    with open_run(folder / "run", said.append) as store:
        job = Job(store, lineup(load(write(folder))), SILENT)
        asked = evaluation_prompts(job, stages.pools(job))
        assert all(prompt.messages[0].role == "user" for prompt in asked)
        rejected = (folder / "run" / "prompts-rejected.jsonl").read_text().splitlines()
        assert len(rejected) + len(asked) == 4 and rejected, "two from the file, two held out"
        assert all("System role not supported" in json.loads(line)["reason"] for line in rejected)
        assert any(f"{len(rejected)} of 4 are left out for every arm" in line for line in said), said

        (folder / "pool.jsonl").write_text(
            "".join(chat(("system", "Be."), ("user", f"{i}?"), ("assistant", "a")) for i in range(8))
        )
        (folder / "prompts.jsonl").write_text(chat(("system", "Be brief."), ("user", "How?")))
        with pytest.raises(PoolError, match="Every evaluation prompt is refused"):
            evaluation_prompts(job, stages.pools(job))

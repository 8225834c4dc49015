"""``handpicked init``: an experiment file to begin with, which a dry run accepts as it is written."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import yaml

from handpicked.errors import ConfigError, StoreError
from handpicked.experiment.first_file import write_first


def handpicked(*words, cwd):
    return subprocess.run(
        [sys.executable, "-m", "handpicked", *map(str, words)], capture_output=True, text=True, cwd=cwd
    )


@pytest.mark.parametrize("template", ["quickstart", "compare", "sizes", "domain"])
def test_what_it_writes_passes_a_dry_run_and_its_schema(template, tmp_path):
    pytest.importorskip("transformers", reason="a dry run looks at the model")
    jsonschema = pytest.importorskip("jsonschema")
    done = handpicked("init", template, "-o", "mine/first.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "mine/first.yaml"
    assert done.stderr.splitlines()[-1] == (
        "Next: change it to your data, then: handpicked run mine/first.yaml --dry-run"
    )
    text = (tmp_path / "mine/first.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=experiment.schema.json\n")
    assert text.count("#") > 5
    schema = json.loads((tmp_path / "mine/experiment.schema.json").read_text())
    jsonschema.validate(yaml.safe_load(text), schema)
    planned = handpicked("run", "mine/first.yaml", "--dry-run", "--json", cwd=tmp_path)
    assert planned.returncode == 0, planned.stderr
    plan = json.loads(planned.stdout)
    assert plan["pool"]["rows"] > 3000 and plan["hours"] > 0
    assert plan["start"] == "handpicked run mine/first.yaml"
    assert not any(arm["warnings"] for arm in plan["arms"])  # such as too few steps


def test_nothing_is_overwritten(tmp_path):
    write_first("domain", tmp_path / "domain.yaml")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ConfigError, match="exist already, and nothing was written"):
        write_first("domain", tmp_path / "domain.yaml")
    with pytest.raises(ConfigError, match=r"domain-prompts\.jsonl exist"):
        write_first("domain", tmp_path / "another.yaml")
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    write_first("quickstart", tmp_path / "another.yaml")
    (tmp_path / "link.yaml").symlink_to("nowhere")
    with pytest.raises(ConfigError, match=r"link\.yaml exists already"):
        write_first("quickstart", tmp_path / "link.yaml")


def test_a_wrong_template_lists_those_that_there_are(tmp_path):
    with pytest.raises(ConfigError, match=r"to begin with\. Did you mean 'sizes'\?"):
        write_first("size", tmp_path / "e.yaml")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError):
        write_first("quickstart", tmp_path / "file" / "e.yaml")


def test_the_files_are_listed_as_json_alone(tmp_path):
    done = handpicked("init", "--json", cwd=tmp_path)
    assert json.loads(done.stdout) == {"files": ["quickstart.yaml", "experiment.schema.json"]}
    assert done.stderr == ""


def test_the_names_that_there_are_are_listed_once(tmp_path):
    with pytest.raises(ConfigError) as caught:
        write_first("nonsense", tmp_path / "nonsense.yaml")
    assert str(caught.value).count("quickstart") == 1

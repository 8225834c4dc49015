"""What is published of the classes is as the classes are."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from handpicked.experiment.places import SHIPPED
from handpicked.experiment.reference import experiment_schema, methods_page

REPOSITORY = Path(__file__).resolve().parents[2]
STALE = "is stale: run python tools/reference.py"


def test_the_page_of_methods_is_what_the_classes_say():
    assert (REPOSITORY / "docs/reference.md").read_text(encoding="utf-8") == methods_page(), STALE


def test_the_schema_of_the_experiment_file_is_what_the_classes_say():
    assert json.loads((REPOSITORY / "docs/experiment.schema.json").read_text()) == experiment_schema(), STALE


@pytest.mark.parametrize("file", sorted(SHIPPED.glob("*.yaml")), ids=lambda file: file.stem)
def test_the_shipped_experiments_fit_the_schema(file):
    jsonschema.validate(yaml.safe_load(file.read_text()), numbers_as_text(experiment_schema()))


def numbers_as_text(schema):
    """YAML reads 2e-5 as text, and the file takes it as a number."""
    if isinstance(schema, dict):
        plain = {key: numbers_as_text(value) for key, value in schema.items()}
        if schema.get("type") == "number":
            return {"anyOf": [plain, {"type": "string"}]}
        return plain
    return [numbers_as_text(one) for one in schema] if isinstance(schema, list) else schema


def arm(**settings):
    return {"name": "x", "pool": {"path": "p"}, "arms": {"a": settings}}


def test_both_forms_of_settings_fit_and_mistakes_do_not():
    check = jsonschema.Draft202012Validator(experiment_schema())
    for fine in (
        arm(by="kmeans", clusters=100, size=5),
        arm(by={"kmeans": {"clusters": 100, "take": "longest"}}, size=5),
        arm(by="ifd", size=5, score={"model": "m", "max_length": 512}),
    ):
        assert list(check.iter_errors(fine)) == []
    for wrong in (
        arm(by={"kmeans": {"clusters": 0}}, size=5),
        arm(by={"kmeans": {"cluster": 10}}, size=5),
        arm(by="kmeans", sizze=5),
        arm(by="kmeans", size="many"),
    ):
        assert list(check.iter_errors(wrong)), wrong

"""Write the pages that are made from the classes: docs/reference.md and docs/experiment.schema.json."""

from __future__ import annotations

import json
from pathlib import Path

from handpicked.experiment.reference import experiment_schema, methods_page

DOCS = Path(__file__).resolve().parents[1] / "docs"

if __name__ == "__main__":
    (DOCS / "reference.md").write_text(methods_page(), encoding="utf-8")
    (DOCS / "experiment.schema.json").write_text(
        json.dumps(experiment_schema(), indent=1) + "\n", encoding="utf-8"
    )

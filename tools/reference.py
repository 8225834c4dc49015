"""Write the pages that are made from the code: docs/reference.md (methods), docs/cli.md (commands), and the
schemas of an experiment, of results.json and of audit.json.
"""

from __future__ import annotations

import json
from pathlib import Path

from cli_reference import cli_page

from handpicked.experiment.reference import experiment_schema, methods_page
from handpicked.pool_audit.record import schema_text as audit_schema_text
from handpicked.results.schema import schema_text

DOCS = Path(__file__).resolve().parents[1] / "docs"

if __name__ == "__main__":
    (DOCS / "reference.md").write_text(methods_page(), encoding="utf-8")
    (DOCS / "cli.md").write_text(cli_page(), encoding="utf-8")
    (DOCS / "experiment.schema.json").write_text(
        json.dumps(experiment_schema(), indent=1) + "\n", encoding="utf-8"
    )
    (DOCS / "results.schema.json").write_text(schema_text(), encoding="utf-8")
    (DOCS / "audit.schema.json").write_text(audit_schema_text(), encoding="utf-8")

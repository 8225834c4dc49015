"""What there is to choose from, and what this machine can run of it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from handpicked.cli.options import Json


def methods(as_json: Json = False) -> None:
    """Every selector, measure, guard and judge: what it does, its source, its cost and needs."""
    from handpicked.catalogue import listed

    found = listed()
    if as_json:
        print(json.dumps({kind: [asdict(method) for method in kinds] for kind, kinds in found.items()}))
        return
    for kind, kinds in found.items():
        print(kind)
        width = max(len(method.name) for method in kinds)
        for method in kinds:
            print(f"  {method.name:<{width}}  {method.about}")
            more = [method.source, f"cost: {method.cost}", method.needs and f"needs: {method.needs}"]
            print(" " * (width + 4) + "; ".join(part for part in more if part))
        print()


def doctor(as_json: Json = False) -> None:
    """What this machine can run: extras, GPU, bundled models, keys, disk."""
    from handpicked.doctor import examine

    findings = examine(Path("runs"))
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings]))
        return
    width = max(len(finding.what) for finding in findings)
    for finding in findings:
        print(f"{'ok     ' if finding.there else 'missing'}  {finding.what:<{width}}  {finding.detail}")

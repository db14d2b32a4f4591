"""Headline figures, each as a ratio to a baseline measured in the same run.

`python -m bench [NAME]` writes reports/bench.json and prints a line a figure. Absolute rates depend
on the machine; quote the ratios.
"""

import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path

import structlog

from bench import (
    barcode,
    camera,
    confirm,
    create,
    handheld,
    hands,
    hot,
    kerb,
    office,
    page,
    printing,
    reconcile,
    scan,
    sync,
)
from bench.figure import Figure

FIGURES: dict[str, Callable[[], list[Figure]]] = {
    "barcode": barcode.measure,
    "camera": camera.measure,
    "confirm": confirm.measure,
    "create": create.measure,
    "handheld": handheld.measure,
    "hands": hands.measure,
    "hot": hot.measure,
    "kerb": kerb.measure,
    "office": office.measure,
    "page": page.measure,
    "print": printing.measure,
    "reconcile": reconcile.measure,
    "scan": scan.measure,
    "sync": sync.measure,
}
REPORT = Path("reports/bench.json")


def main() -> int:
    names = sys.argv[1:] or list(FIGURES)
    unknown = [name for name in names if name not in FIGURES]
    if unknown:
        print(f"no bench named {', '.join(unknown)}; there are: {', '.join(FIGURES)}")
        return 2
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    kept = json.loads(REPORT.read_text()) if REPORT.exists() else []
    for name in names:
        for figure in FIGURES[name]():
            print(figure.line(), flush=True)
            kept = [entry for entry in kept if entry["name"] != figure.name] + [figure.to_json()]
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps(kept, indent=1) + "\n")
    return 0


sys.exit(main())

"""The command on barcodes: what a payload says."""

from dataclasses import asdict
from typing import Any

import typer

from server.cli.shell import (
    FAILED,
    AsJson,
    print_json,
)


def explain_qris(text: str, as_json: AsJson = False) -> None:
    """Explain a QRIS payload: every tag, the verdict, the warnings. Exit 1 when invalid."""
    import qris

    explanation = qris.explain(text)
    if as_json:
        print_json(asdict(explanation))
    else:
        _print_explanation(explanation)
    if explanation.code is not None:
        raise typer.Exit(FAILED)


def _print_explanation(explanation: Any) -> None:
    for row in explanation.rows:
        print(f"{row.path:<8} {row.name:<34} {row.value}{f'   ({row.note})' if row.note else ''}")
    print(f"{explanation.verdict}{f' ({explanation.code})' if explanation.code else ''}")
    for warning in explanation.warnings:
        print(f"! {warning.code}: {warning.detail}")

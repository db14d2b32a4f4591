"""Commands on barcodes: what a payload says, and whose the acquirer says it is."""

import asyncio
from dataclasses import asdict
from typing import Any

import typer

from domain.money import format_rp
from server.cli.shell import (
    FAILED,
    AsJson,
    fail,
    print_json,
)

acquirer_app = typer.Typer(help="Questions to the acquirer.", no_args_is_help=True)


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


@acquirer_app.command()
def decode(text: str, as_json: AsJson = False) -> None:
    """Ask the acquirer of the settings whose barcode a payload is. Exit 1 when it will not say."""
    from pydantic import ValidationError

    from server.app import NotConfigured, create_acquirer
    from server.payments.acquirer import AcquirerRefused, AcquirerUnknown, DecodedBarcode
    from server.settings import Settings

    async def ask() -> DecodedBarcode:
        acquirer = create_acquirer(Settings())
        try:
            return await acquirer.decode(text)
        finally:
            await acquirer.close()

    try:
        decoded = asyncio.run(ask())
    except (NotConfigured, ValidationError, AcquirerRefused, AcquirerUnknown) as exc:
        fail(str(exc))
    if as_json:
        print_json(asdict(decoded))
        return
    print(
        f"{decoded.merchant_name}{f' {format_rp(decoded.amount_rp)}' if decoded.amount_rp else ''}"
    )
    for acquirer, pan in decoded.pans.items():
        print(f"{pan}  {acquirer}")

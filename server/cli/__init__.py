"""The `karcis` command. Data goes to stdout, talk to stderr.

Exit codes: 0 ok, 1 failed, 2 usage, 3 differences found. The other programs add their commands
through the entry point group `karcis.commands`, because the server imports neither of them.
"""

import sys
from importlib.metadata import entry_points

import typer

from server.cli import (
    accounting,
    acquirers,
    attendants,
    audit,
    barcodes,
    closing,
    free_parking,
    integrators,
    officers,
    programs,
    reconciliation,
    reports,
    rules,
    spots,
    tariffs,
    units,
    vouchers,
)

PLUGINS = "karcis.commands"

app = typer.Typer(
    help="Karcis: cashless kerbside parking.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (
    programs.run,
    programs.once,
    programs.serve,
    programs.migrate,
    programs.sandbox,
    programs.verify,
    programs.openapi,
    programs.doctor,
    reconciliation.reconcile,
    reports.report,
):
    app.command()(command)
app.command("qris")(barcodes.explain_qris)
for name, group in (
    ("acquirer", acquirers.acquirer_app),
    ("spot", spots.spot_app),
    ("sign", spots.sign_app),
    ("attendant", attendants.attendant_app),
    ("officer", officers.officer_app),
    ("audit", audit.audit_app),
    ("day", closing.day_app),
    ("ledger", accounting.ledger_app),
    ("share-rule", accounting.share_rule_app),
    ("payout-rule", accounting.payout_rule_app),
    ("matching-rule", accounting.matching_rule_app),
    ("mdr-rule", accounting.mdr_rule_app),
    ("settlement", reconciliation.settlement_app),
    ("statement", reconciliation.statement_app),
    ("payout", reconciliation.payout_app),
    ("tariff", tariffs.tariff_app),
    ("rule", rules.rule_app),
    ("unit", units.unit_app),
    ("target", reports.target_app),
    ("voucher", vouchers.voucher_app),
    ("pass", free_parking.pass_app),
    ("exemption", free_parking.exemption_app),
    ("key", integrators.key_app),
    ("webhook", integrators.webhook_app),
):
    app.add_typer(group, name=name)


def main() -> None:
    """The entry point; loads another program's commands only when they are asked for."""
    asked = sys.argv[1] if len(sys.argv) > 1 else "--help"
    for plugin in entry_points(group=PLUGINS):
        if asked in (plugin.name, "--help"):
            loaded = plugin.load()
            if isinstance(loaded, typer.Typer):
                app.add_typer(loaded, name=plugin.name)
            else:
                app.command(plugin.name)(loaded)
    app()

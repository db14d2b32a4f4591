"""Every table of every slice, for whoever opens a session: rows of one refer to rows of another.

A process that knows only some of the tables fails at its first write to one that refers to another.
"""

import server.audit.models
import server.casework.models
import server.complaints.models
import server.driver.models
import server.figures.models
import server.identity.models
import server.inspection.models
import server.ledger.models
import server.parking.covered_models
import server.parking.models
import server.payments.choice_models
import server.payments.models
import server.payments.voucher_models
import server.reconciliation.models
import server.reconciliation.payout_models
import server.reports.models
import server.rules.models
import server.spots.models
import server.sync.models
import server.webhooks.models  # noqa: F401

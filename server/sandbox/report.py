"""The truth ledger laid open: every row, and per reference what became of the money."""

import sqlite3
from typing import Any

from server.sandbox.truth import Truth

_OF_DAY = {
    "orders": "business_date = :day OR id IN (SELECT order_id FROM payments"
    " WHERE business_date = :day)",
    "payments": "business_date = :day",
    "refunds": "business_date = :day",
    "notifications": "payment_id IN (SELECT id FROM payments WHERE business_date = :day)",
    "batches": "business_date = :day",
}
_PER_REFERENCE = """
SELECT o.partner_reference_no, o.reference_no, o.channel, o.amount_rp AS ordered_rp,
    o.expires_ms, o.cancelled_ms,
    COALESCE(p.payments, 0) AS payments, COALESCE(p.paid_rp, 0) AS paid_rp,
    COALESCE(p.settled_rp, 0) AS settled_payments_rp, COALESCE(p.mdr_rp, 0) AS settled_mdr_rp,
    COALESCE(r.refunds, 0) AS refunds, COALESCE(r.refunded_rp, 0) AS refunded_rp,
    COALESCE(r.settled_rp, 0) AS settled_refunds_rp
FROM orders o
LEFT JOIN (
    SELECT order_id, COUNT(*) AS payments, SUM(amount_rp) AS paid_rp,
        SUM(amount_rp) FILTER (WHERE batch_id IS NOT NULL) AS settled_rp,
        SUM(mdr_rp) FILTER (WHERE batch_id IS NOT NULL) AS mdr_rp
    FROM payments WHERE state = 'paid' GROUP BY order_id
) p ON p.order_id = o.id
LEFT JOIN (
    SELECT order_id, COUNT(*) AS refunds, SUM(amount_rp) AS refunded_rp,
        SUM(amount_rp) FILTER (WHERE batch_id IS NOT NULL) AS settled_rp
    FROM refunds GROUP BY order_id
) r ON r.order_id = o.id
WHERE (:day IS NULL OR o.business_date = :day OR o.id IN
    (SELECT order_id FROM payments WHERE business_date = :day))
ORDER BY o.id
"""


def everything(truth: Truth, day: str | None) -> dict[str, Any]:
    """The ledger as plain values; with a day, what was ordered, paid or refunded on it."""
    found: dict[str, Any] = {"date": day}
    for name, condition in _OF_DAY.items():
        sql = f"SELECT * FROM {name} WHERE :day IS NULL OR {condition} ORDER BY id"  # noqa: S608
        found[name] = [_readable(truth, row) for row in truth.rows(sql, day=day)]
    attempts: dict[int, list[dict[str, Any]]] = {}
    for row in truth.rows("SELECT * FROM attempts ORDER BY id"):
        attempts.setdefault(row["notification_id"], []).append(_readable(truth, row))
    for notification in found["notifications"]:
        notification["attempts"] = attempts.get(notification["id"], [])
    found["references"] = references(truth, day)
    return found


def references(truth: Truth, day: str | None = None) -> list[dict[str, Any]]:
    """One row an order: ordered, paid, refunded and settled, to compare with other books.

    `settled_net_rp` is what the bank received for it: payments less their fee, less refunds.
    """
    found = []
    for row in truth.rows(_PER_REFERENCE, day=day):
        line = _readable(truth, row)
        line["settled_net_rp"] = (
            line["settled_payments_rp"] - line["settled_mdr_rp"] - line["settled_refunds_rp"]
        )
        found.append(line)
    return found


def _readable(truth: Truth, row: sqlite3.Row) -> dict[str, Any]:
    """A row with its times as ISO text: `paid_ms` becomes `paid_at`."""
    readable: dict[str, Any] = {}
    for name in row.keys():  # noqa: SIM118 - a Row iterates over its values
        value = row[name]
        if name.endswith("_ms") and name != "hold_ms":
            name, value = f"{name[:-3]}_at", None if value is None else truth.iso(value)
        readable[name] = value
    return readable

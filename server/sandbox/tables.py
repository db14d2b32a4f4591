"""The truth ledger's tables and its rows as values. Times are milliseconds since the epoch, UTC."""

import sqlite3
from dataclasses import dataclass, fields
from typing import Self

SCHEMA = """
CREATE TABLE IF NOT EXISTS ledger (salt INTEGER NOT NULL) STRICT;
INSERT INTO ledger (salt) SELECT abs(random() % 10000) WHERE NOT EXISTS (SELECT 1 FROM ledger);
CREATE TABLE IF NOT EXISTS tokens (
    digest TEXT PRIMARY KEY, expires_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS external_ids (
    day TEXT NOT NULL, external_id TEXT NOT NULL, PRIMARY KEY (day, external_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS orders (
    id INTEGER PRIMARY KEY,
    reference_no TEXT NOT NULL UNIQUE,
    partner_reference_no TEXT NOT NULL UNIQUE,
    amount_rp INTEGER NOT NULL CHECK (amount_rp > 0),
    merchant_id TEXT NOT NULL,
    store_id TEXT NOT NULL,
    terminal_id TEXT NOT NULL,
    qr_content TEXT NOT NULL UNIQUE,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    cancelled_ms INTEGER,
    business_date TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS orders_of_day ON orders (business_date);
CREATE TABLE IF NOT EXISTS batches (
    id TEXT PRIMARY KEY, business_date TEXT NOT NULL, created_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS payments (
    id INTEGER PRIMARY KEY,
    order_id INTEGER NOT NULL REFERENCES orders (id),
    state TEXT NOT NULL CHECK (state IN ('scheduled', 'paid', 'declined')),
    kind TEXT NOT NULL CHECK (kind IN ('normal', 'late', 'second')),
    rrn TEXT UNIQUE CHECK (length(rrn) = 12),
    amount_rp INTEGER NOT NULL CHECK (amount_rp > 0),
    mdr_rp INTEGER NOT NULL CHECK (mdr_rp BETWEEN 0 AND amount_rp),
    issuer_name TEXT NOT NULL,
    issuer_nns TEXT NOT NULL,
    payer_name TEXT NOT NULL,
    due_ms INTEGER NOT NULL,
    hold_ms INTEGER NOT NULL,
    paid_ms INTEGER,
    business_date TEXT,
    batch_id TEXT REFERENCES batches (id),
    CHECK (
        (state = 'paid')
        = (paid_ms IS NOT NULL AND rrn IS NOT NULL AND business_date IS NOT NULL)
    )
) STRICT;
CREATE INDEX IF NOT EXISTS payments_of_order ON payments (order_id);
CREATE INDEX IF NOT EXISTS payments_of_day ON payments (business_date);
CREATE INDEX IF NOT EXISTS payments_due ON payments (due_ms) WHERE state = 'scheduled';
CREATE TABLE IF NOT EXISTS refunds (
    id INTEGER PRIMARY KEY,
    order_id INTEGER NOT NULL REFERENCES orders (id),
    refund_no TEXT NOT NULL UNIQUE,
    partner_refund_no TEXT NOT NULL UNIQUE,
    amount_rp INTEGER NOT NULL CHECK (amount_rp > 0),
    reason TEXT NOT NULL,
    refunded_ms INTEGER NOT NULL,
    business_date TEXT NOT NULL,
    batch_id TEXT REFERENCES batches (id)
) STRICT;
CREATE INDEX IF NOT EXISTS refunds_of_day ON refunds (business_date);
CREATE INDEX IF NOT EXISTS refunds_of_order ON refunds (order_id);
CREATE TABLE IF NOT EXISTS notifications (
    id INTEGER PRIMARY KEY,
    payment_id INTEGER NOT NULL REFERENCES payments (id),
    body TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'given_up')),
    created_ms INTEGER NOT NULL,
    next_ms INTEGER NOT NULL,
    delivered_ms INTEGER
) STRICT;
CREATE INDEX IF NOT EXISTS notifications_due ON notifications (next_ms) WHERE state = 'pending';
CREATE INDEX IF NOT EXISTS notifications_of_payment ON notifications (payment_id);
CREATE TABLE IF NOT EXISTS attempts (
    id INTEGER PRIMARY KEY,
    notification_id INTEGER NOT NULL REFERENCES notifications (id),
    sent_ms INTEGER NOT NULL,
    http_status INTEGER,
    response_code TEXT,
    answer TEXT,
    error TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS attempts_of_notification ON attempts (notification_id);
CREATE TABLE IF NOT EXISTS consumer_codes (
    id TEXT PRIMARY KEY,
    qr_content TEXT NOT NULL UNIQUE,
    outcome TEXT NOT NULL CHECK (outcome IN ('pay', 'insufficient', 'pending', 'refuse')),
    delay_ms INTEGER NOT NULL,
    issuer_name TEXT NOT NULL,
    issuer_nns TEXT NOT NULL,
    payer_name TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    order_id INTEGER UNIQUE REFERENCES orders (id)
) STRICT;
CREATE TABLE IF NOT EXISTS faults (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    reference TEXT NOT NULL,
    value REAL NOT NULL,
    remaining INTEGER NOT NULL,
    fired INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS faults_armed ON faults (name) WHERE remaining > 0;
"""

# A ledger made before these columns existed gets them when it is opened.
ADDED_COLUMNS = (
    ("ledger", "clock_offset_ms", "INTEGER NOT NULL DEFAULT 0"),
    ("orders", "channel", "TEXT NOT NULL DEFAULT 'mpm'"),
    ("orders", "status_answers", "INTEGER NOT NULL DEFAULT 0"),
    ("payments", "reference_no", "TEXT"),
    ("notifications", "held", "TEXT NOT NULL DEFAULT ''"),
    ("notifications", "schedule", "TEXT NOT NULL DEFAULT ''"),
)


class _Row:
    __slots__ = ()

    @classmethod
    def of(cls, row: sqlite3.Row) -> Self:
        return cls(**{field.name: row[field.name] for field in fields(cls)})  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Order(_Row):
    id: int
    reference_no: str
    partner_reference_no: str
    amount_rp: int
    merchant_id: str
    store_id: str
    terminal_id: str
    qr_content: str
    created_ms: int
    expires_ms: int
    cancelled_ms: int | None
    business_date: str
    channel: str
    """`mpm` and `cpm` over SNAP (merchant- and consumer-presented), `rest` over REST."""


@dataclass(frozen=True, slots=True)
class Payment(_Row):
    id: int
    order_id: int
    state: str
    kind: str
    rrn: str | None
    amount_rp: int
    mdr_rp: int
    issuer_name: str
    issuer_nns: str
    payer_name: str
    due_ms: int
    hold_ms: int
    paid_ms: int | None
    business_date: str | None
    batch_id: str | None
    reference_no: str | None
    """Set when this payment is told under another reference than its order's."""


@dataclass(frozen=True, slots=True)
class Refund(_Row):
    id: int
    order_id: int
    refund_no: str
    partner_refund_no: str
    amount_rp: int
    reason: str
    refunded_ms: int
    business_date: str
    batch_id: str | None


@dataclass(frozen=True, slots=True)
class Notification(_Row):
    id: int
    payment_id: int
    body: str
    state: str
    created_ms: int
    next_ms: int
    schedule: str
    """`doku`: repeated by DOKU's plan instead of the settings'."""


@dataclass(frozen=True, slots=True)
class ConsumerCode(_Row):
    id: str
    qr_content: str
    outcome: str
    delay_ms: int
    issuer_name: str
    issuer_nns: str
    payer_name: str
    created_ms: int
    expires_ms: int
    order_id: int | None

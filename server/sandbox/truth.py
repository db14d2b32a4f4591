"""The acquirer's truth ledger: what was really ordered, paid, refunded, notified and paid out.

One SQLite file (WAL) and one connection, used from the event loop's thread only, so that every
decision sees the one before it.
"""

import hashlib
import json
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from server.sandbox.tables import (
    ADDED_COLUMNS,
    SCHEMA,
    ConsumerCode,
    Notification,
    Order,
    Payment,
    Refund,
)


def milliseconds(moment: datetime) -> int:
    """Whole milliseconds since the epoch of an aware datetime, rounded down."""
    elapsed = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (elapsed.days * 86_400 + elapsed.seconds) * 1000 + elapsed.microseconds // 1000


class Truth:
    """Tables and their questions. Whoever writes opens `transaction()` around the writes."""

    def __init__(self, path: Path, zone: ZoneInfo) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.zone = zone
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode = WAL")
        # Without an fsync at each commit: what is committed is with the operating system, so it
        # survives a kill -9 of this process; only a power cut could take the last commits.
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.executescript(SCHEMA)
        self._add_columns()
        # A partner may outlive this ledger, and must never meet the same reference again.
        row = self._one("SELECT salt, clock_offset_ms FROM ledger")
        assert row is not None
        self.salt = f"{row['salt']:04d}"
        self.clock_offset_ms = int(row["clock_offset_ms"])
        # Every call asks for a dozen faults: those that nobody has loaded cost no query.
        self._loaded = {row["name"] for row in self.rows("SELECT name FROM faults")}

    def _add_columns(self) -> None:
        for table, column, kind in ADDED_COLUMNS:
            if column not in {row["name"] for row in self.rows(f"PRAGMA table_info({table})")}:
                self._db.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commits when the block ends; undoes everything when it raises."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def day(self, ms: int) -> str:
        """The business day, in the acquirer's zone, of a moment."""
        return datetime.fromtimestamp(ms // 1000, self.zone).date().isoformat()

    def iso(self, ms: int) -> str:
        return datetime.fromtimestamp(ms // 1000, self.zone).isoformat()

    def _one(self, sql: str, *values: Any) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self._db.execute(sql, values).fetchone()
        return row

    def rows(self, sql: str, *values: Any, **named: Any) -> list[sqlite3.Row]:
        return self._db.execute(sql, named or values).fetchall()

    def _insert(self, table: str, **values: Any) -> int:
        # Names come from the code below, values are bound: nothing from outside is spliced in.
        marks = ", ".join("?" * len(values))
        sql = f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})"  # noqa: S608
        key = self._db.execute(sql, tuple(values.values())).lastrowid
        assert key is not None
        return key

    def _next_id(self, table: str) -> int:
        row = self._one(f"SELECT COALESCE(MAX(id), 0) + 1 AS id FROM {table}")  # noqa: S608
        assert row is not None
        return int(row["id"])

    # Tokens and external ids

    def add_token(self, token: str, *, now_ms: int, expires_ms: int) -> None:
        """Only a digest is kept: the file of a running sandbox lets nobody in."""
        self._db.execute("DELETE FROM tokens WHERE expires_ms <= ?", (now_ms,))
        self._insert("tokens", digest=_digest(token), expires_ms=expires_ms)

    def token_is_valid(self, token: str, now_ms: int) -> bool:
        row = self._one("SELECT expires_ms FROM tokens WHERE digest = ?", _digest(token))
        return row is not None and int(row["expires_ms"]) > now_ms

    def revoke_tokens(self) -> None:
        self._db.execute("DELETE FROM tokens")

    def claim_external_id(self, external_id: str, now_ms: int) -> bool:
        """Whether this is the id's first use on this day."""
        done = self._db.execute(
            "INSERT INTO external_ids VALUES (?, ?) ON CONFLICT DO NOTHING",
            (self.day(now_ms), external_id),
        )
        return done.rowcount == 1

    # Orders

    def next_reference(self, now_ms: int) -> str:
        """The acquirer's own reference: day, ledger, order's number. Twenty digits."""
        return f"{self.day(now_ms).replace('-', '')}{self.salt}{self._next_id('orders'):08d}"

    def add_order(self, **values: Any) -> Order:
        created_ms = values["created_ms"]
        key = self._insert("orders", business_date=self.day(created_ms), **values)
        row = self._one("SELECT * FROM orders WHERE id = ?", key)
        assert row is not None
        return Order.of(row)

    def order(
        self,
        *,
        id: int | None = None,  # noqa: A002 - the column's name
        partner_reference_no: str | None = None,
        reference_no: str | None = None,
    ) -> Order | None:
        """The order that answers every name given; None when nothing was given."""
        wanted = {
            "id": id,
            "partner_reference_no": partner_reference_no,
            "reference_no": reference_no,
        }
        given = {name: value for name, value in wanted.items() if value is not None}
        if not given:
            return None
        condition = " AND ".join(f"{name} = ?" for name in given)
        row = self._one(f"SELECT * FROM orders WHERE {condition}", *given.values())  # noqa: S608
        return None if row is None else Order.of(row)

    def recent_orders(self, limit: int) -> list[Order]:
        return [
            Order.of(row)
            for row in self.rows("SELECT * FROM orders ORDER BY id DESC LIMIT ?", limit)
        ]

    def count_status_answer(self, order: Order) -> int:
        """How often this order's status was asked for while the flapping fault was loaded."""
        row = self._one(
            "UPDATE orders SET status_answers = status_answers + 1 WHERE id = ?"
            " RETURNING status_answers",
            order.id,
        )
        assert row is not None
        return int(row["status_answers"])

    def cancel_order(self, order: Order, now_ms: int) -> None:
        self._db.execute(
            "UPDATE orders SET cancelled_ms = ? WHERE id = ? AND cancelled_ms IS NULL",
            (now_ms, order.id),
        )

    # Payments and refunds

    def payments_of(self, order: Order) -> list[Payment]:
        rows = self.rows("SELECT * FROM payments WHERE order_id = ? ORDER BY id", order.id)
        return [Payment.of(row) for row in rows]

    def add_payment(self, **values: Any) -> int:
        return self._insert("payments", **values)

    def payment(self, key: int) -> Payment:
        row = self._one("SELECT * FROM payments WHERE id = ?", key)
        assert row is not None
        return Payment.of(row)

    def mark_paid(self, key: int, now_ms: int) -> Payment:
        """Money has moved: the payment gets its RRN and its business day."""
        paid = datetime.fromtimestamp(now_ms // 1000, self.zone)
        serial = (int(self.salt) * 10**4 + key) % 10**8
        rrn = f"{paid.year % 10}{paid.timetuple().tm_yday:03d}{serial:08d}"
        self._db.execute(
            "UPDATE payments SET state = 'paid', rrn = ?, paid_ms = ?, business_date = ?"
            " WHERE id = ? AND state = 'scheduled'",
            (rrn, now_ms, self.day(now_ms), key),
        )
        return self.payment(key)

    def decline_scheduled(self, order: Order) -> None:
        """Takes back payments that have not happened yet."""
        self._db.execute(
            "UPDATE payments SET state = 'declined' WHERE order_id = ? AND state = 'scheduled'",
            (order.id,),
        )

    def scheduled(self, now_ms: int) -> list[Payment]:
        rows = self.rows(
            "SELECT * FROM payments WHERE state = 'scheduled' AND due_ms <= ? ORDER BY id", now_ms
        )
        return [Payment.of(row) for row in rows]

    def refunds_of(self, order: Order) -> list[Refund]:
        rows = self.rows("SELECT * FROM refunds WHERE order_id = ? ORDER BY id", order.id)
        return [Refund.of(row) for row in rows]

    def refund(self, partner_refund_no: str) -> Refund | None:
        row = self._one("SELECT * FROM refunds WHERE partner_refund_no = ?", partner_refund_no)
        return None if row is None else Refund.of(row)

    def new_refund(self, *, now_ms: int, **values: Any) -> Refund:
        """The refund that would be next; nothing is written. A lost one uses its number up."""
        _, lost = self.fault_counts().get("refund_lost", (0, 0))
        key, day = self._next_id("refunds") + lost, self.day(now_ms)
        number = f"R{day.replace('-', '')}{key:011d}"
        return Refund(
            id=key,
            refund_no=number,
            refunded_ms=now_ms,
            business_date=day,
            batch_id=None,
            **values,
        )

    def add_refund(self, refund: Refund) -> None:
        self._insert("refunds", **asdict(refund))

    # Consumer-presented codes

    def add_consumer_code(self, **values: Any) -> ConsumerCode:
        self._insert("consumer_codes", **values)
        added = self.consumer_code(id=values["id"])
        assert added is not None
        return added

    def consumer_code(
        self,
        *,
        id: str = "",  # noqa: A002 - the column's name
        qr_content: str = "",
        order_id: int = 0,
    ) -> ConsumerCode | None:
        """The code with one of these names."""
        row = self._one(
            "SELECT * FROM consumer_codes WHERE id = ? OR qr_content = ? OR order_id = ?",
            id,
            qr_content,
            order_id,
        )
        return None if row is None else ConsumerCode.of(row)

    def use_consumer_code(self, code: ConsumerCode, order: Order) -> None:
        self._db.execute("UPDATE consumer_codes SET order_id = ? WHERE id = ?", (order.id, code.id))

    # Notifications

    def add_notification(
        self, payment: Payment, body: str, *, now_ms: int, next_ms: int, held: str, schedule: str
    ) -> None:
        """`held` names what sends it before `next_ms`: `next` notification or `refund`."""
        self._insert(
            "notifications",
            payment_id=payment.id,
            body=body,
            state="pending",
            created_ms=now_ms,
            next_ms=next_ms,
            held=held,
            schedule=schedule,
        )

    def release_held_by_next(self, sent: Notification, now_ms: int) -> None:
        self._db.execute(
            "UPDATE notifications SET held = '', next_ms = ? WHERE held = 'next' AND id <> ?",
            (now_ms, sent.id),
        )

    def release_held_by_refund(self, order: Order, now_ms: int) -> None:
        self._db.execute(
            "UPDATE notifications SET held = '', next_ms = ? WHERE held = 'refund'"
            " AND payment_id IN (SELECT id FROM payments WHERE order_id = ?)",
            (now_ms, order.id),
        )

    def attempts_ended(self, order: Order) -> int:
        """How many attempts to tell of this order's payments are over."""
        row = self._one(
            "SELECT COUNT(*) AS n FROM attempts a JOIN notifications n ON n.id = a.notification_id"
            " JOIN payments p ON p.id = n.payment_id"
            " WHERE p.order_id = ? AND (a.http_status IS NOT NULL OR a.error IS NOT NULL)",
            order.id,
        )
        assert row is not None
        return int(row["n"])

    def due_notifications(
        self, now_ms: int, limit: int, *, except_ids: Collection[int]
    ) -> list[Notification]:
        rows = self.rows(
            "SELECT * FROM notifications WHERE state = 'pending' AND next_ms <= ?"
            " AND id NOT IN (SELECT value FROM json_each(?)) ORDER BY next_ms, id LIMIT ?",
            now_ms,
            json.dumps(list(except_ids)),
            limit,
        )
        return [Notification.of(row) for row in rows]

    def next_due_ms(self, *, except_ids: Collection[int]) -> int | None:
        """When the worker has something to do next; None when nothing waits."""
        row = self._one(
            "SELECT MIN(at) AS at FROM ("
            " SELECT MIN(next_ms) AS at FROM notifications WHERE state = 'pending'"
            " AND id NOT IN (SELECT value FROM json_each(?)) UNION ALL"
            " SELECT MIN(due_ms) FROM payments WHERE state = 'scheduled')",
            json.dumps(list(except_ids)),
        )
        return None if row is None or row["at"] is None else int(row["at"])

    def begin_attempt(self, notification: Notification, now_ms: int) -> tuple[int, int]:
        """Writes down that an attempt starts; its id, and how many there are with it."""
        key = self._insert("attempts", notification_id=notification.id, sent_ms=now_ms)
        row = self._one(
            "SELECT COUNT(*) AS n FROM attempts WHERE notification_id = ?", notification.id
        )
        assert row is not None
        return key, int(row["n"])

    def end_attempt(
        self,
        key: int,
        *,
        http_status: int | None = None,
        response_code: str | None = None,
        answer: str | None = None,
        error: str | None = None,
    ) -> None:
        self._db.execute(
            "UPDATE attempts SET http_status = ?, response_code = ?, answer = ?, error = ?"
            " WHERE id = ?",
            (http_status, response_code, answer, error, key),
        )

    def set_notification(
        self, notification: Notification, state: str, *, now_ms: int, next_ms: int
    ) -> None:
        self._db.execute(
            "UPDATE notifications SET state = ?, next_ms = ?,"
            " delivered_ms = CASE WHEN ? = 'delivered' THEN ? ELSE delivered_ms END WHERE id = ?",
            (state, next_ms, state, now_ms, notification.id),
        )

    def notification_states(self, payment: Payment) -> list[str]:
        rows = self.rows("SELECT state FROM notifications WHERE payment_id = ?", payment.id)
        return [row["state"] for row in rows]

    # Day end

    def unsettled(self, day: str) -> tuple[list[int], list[int]]:
        """Payments and refunds of a day that no batch holds yet."""
        payments = self.rows(
            "SELECT id FROM payments WHERE business_date = ? AND batch_id IS NULL", day
        )
        refunds = self.rows(
            "SELECT id FROM refunds WHERE business_date = ? AND batch_id IS NULL", day
        )
        return [row["id"] for row in payments], [row["id"] for row in refunds]

    def add_batch(self, day: str, payments: list[int], refunds: list[int], now_ms: int) -> str:
        row = self._one("SELECT COUNT(*) + 1 AS n FROM batches WHERE business_date = ?", day)
        assert row is not None
        batch = f"SBX{day[2:].replace('-', '')}{self.salt}{row['n']:02d}"
        self._insert("batches", id=batch, business_date=day, created_ms=now_ms)
        for table, keys in (("payments", payments), ("refunds", refunds)):
            self._db.executemany(
                f"UPDATE {table} SET batch_id = ? WHERE id = ?",  # noqa: S608
                [(batch, key) for key in keys],
            )
        return batch

    def settled_payments(self, *, through: str) -> list[tuple[Order, Payment]]:
        """Every payment in a batch of this day or an earlier one, oldest first."""
        rows = self.rows(
            "SELECT * FROM payments WHERE batch_id IS NOT NULL AND business_date <= ?"
            " ORDER BY business_date, batch_id, paid_ms, id",
            through,
        )
        return [(self._order_of(row), Payment.of(row)) for row in rows]

    def settled_refunds(self, *, through: str) -> list[tuple[Order, Refund]]:
        rows = self.rows(
            "SELECT * FROM refunds WHERE batch_id IS NOT NULL AND business_date <= ?"
            " ORDER BY business_date, batch_id, refunded_ms, id",
            through,
        )
        return [(self._order_of(row), Refund.of(row)) for row in rows]

    def _order_of(self, row: sqlite3.Row) -> Order:
        order = self.order(id=row["order_id"])
        assert order is not None
        return order

    # Faults and the clock

    def add_fault(self, name: str, *, times: int, reference: str, value: float) -> None:
        self._insert("faults", name=name, reference=reference, value=value, remaining=times)
        self._loaded.add(name)

    def clear_faults(self) -> None:
        """Nothing is loaded any more; what has fired stays counted."""
        self._db.execute("UPDATE faults SET remaining = 0")

    def _armed(self, name: str, reference: str) -> sqlite3.Row | None:
        if name not in self._loaded:
            return None
        return self._one(
            "SELECT id, value FROM faults WHERE name = ? AND remaining > 0"
            " AND reference IN ('', ?) ORDER BY reference = '', id LIMIT 1",
            name,
            reference,
        )

    def fault_is_armed(self, name: str, reference: str = "") -> bool:
        return self._armed(name, reference) is not None

    def take_fault(self, name: str, reference: str = "") -> float | None:
        """Uses up one firing of a fault; its value, or None when none is loaded."""
        row = self._armed(name, reference)
        if row is None:
            return None
        self._db.execute(
            "UPDATE faults SET remaining = remaining - 1, fired = fired + 1 WHERE id = ?",
            (row["id"],),
        )
        return float(row["value"])

    def faults(self) -> list[dict[str, Any]]:
        return [dict(row) for row in self.rows("SELECT * FROM faults ORDER BY id")]

    def fault_counts(self) -> dict[str, tuple[int, int]]:
        """For each fault ever loaded: how many firings are left, and how many there were."""
        rows = self.rows(
            "SELECT name, SUM(remaining) AS armed, SUM(fired) AS fired FROM faults GROUP BY name"
        )
        return {row["name"]: (row["armed"], row["fired"]) for row in rows}

    def set_clock_offset(self, offset_ms: int) -> None:
        self._db.execute("UPDATE ledger SET clock_offset_ms = ?", (offset_ms,))
        self.clock_offset_ms = offset_ms


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()

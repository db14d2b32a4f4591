"""Which tables the audit log covers, and the bytes of a row that are sealed.

Each table of the database stands in one of three lists, and each column of a sealed or recorded
table is kept, kept as its digest, or left out; a test refuses one that nobody decided on.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from sqlalchemy import Column, DateTime, LargeBinary, Table, Uuid
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Date

from server.database import Base


@dataclass(frozen=True)
class Sealed:
    """A table whose rows, or these columns of them, never change once they are written.

    `written` is the column that tells when the server wrote the row: a time, or a UUIDv7 that was
    made then. `recent` selects what was written since `$1`, or since the UUIDv7 `$2`, where that
    column does not find it quickly. `digests` are columns sealed by their SHA-256 only, as they
    tell of persons or are large; `left_out` may change or be destroyed later, or stand in another
    column already.
    """

    written: str = "id"
    recent: str = ""
    digests: frozenset[str] = frozenset()
    left_out: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Recorded:
    """A table whose rows change: a trigger writes each change down as a row of `audit_changes`.

    `digests` are secrets that let somebody in: that one was changed is told, and nothing else.
    `left_out` decides nothing about money, rights or tariffs.
    """

    digests: frozenset[str] = frozenset()
    left_out: frozenset[str] = frozenset()


def _these(*names: str) -> frozenset[str]:
    return frozenset(names)


STAMP = "written_at"
"""When the database wrote a row of `Stamped`. In no leaf: the leaf's place tells better."""
LISTING = ("written_in", "oldest_running")
"""The transaction's number, by which lists are followed: another one after a restore."""
OF_CHANGED = (
    "{} IN (SELECT c.{} FROM charges c JOIN charge_changes h ON h.charge_id = c.id"
    " WHERE h.id >= $2)"
)

SEALED: Mapping[str, Sealed] = {
    "attendant_changes": Sealed(),
    "audit_changes": Sealed("at"),
    "case_assignments": Sealed(),
    "case_changes": Sealed(),
    # What officers write may tell of a person in spite of all.
    "case_comments": Sealed(digests=_these("words")),
    "case_steps": Sealed("at"),
    "cash_deposits": Sealed("recorded_at"),
    "charge_changes": Sealed(left_out=_these(*LISTING)),
    "charges": Sealed(
        STAMP,
        OF_CHANGED.format("id", "id"),
        left_out=_these(
            "acquirer_reference", "money_flag", "next_inquiry_at", "paid_at", "qris",
            "request_hash", "state",
        ),
    ),
    "cleared_movements": Sealed(STAMP),
    "closed_days": Sealed("closed_at"),
    "closure_ends": Sealed("ended_at"),
    "closures": Sealed(),
    "covered_stays": Sealed("recorded_at"),
    "day_close_changes": Sealed(),
    "device_changes": Sealed(),
    # The body is in the event's own hash, which the device signed.
    "device_events": Sealed("received_at", left_out=_these("body")),
    "device_keys": Sealed("registered_at", left_out=_these("code_hash")),
    "evidence_destroyed": Sealed(),
    "held_lines": Sealed(),
    "imported_files": Sealed(left_out=_these("content")),
    "inquiries": Sealed(digests=_these("answer")),
    "ledger_entries": Sealed(),
    "matching_rules": Sealed(STAMP),
    "ledger_postings": Sealed("entry_id"),
    "money": Sealed(),
    "notifications": Sealed(digests=_these("signature"), left_out=_these("body")),
    "officer_changes": Sealed(),
    "pass_orders": Sealed("ordered_at", left_out=_these("plate_hash", "plate_masked")),
    "pass_permits": Sealed("approved_at", left_out=_these("plate_hash", "plate_masked")),
    "pass_revocations": Sealed("revoked_at"),
    "passes": Sealed("issued_at", left_out=_these("plate_hash", "plate_masked")),
    "payee_accounts": Sealed(digests=_these("sealed")),
    "payee_decisions": Sealed("decided_at"),
    "payments": Sealed(STAMP, OF_CHANGED.format("id", "payment_id"), left_out=_these("state")),
    "payout_rules": Sealed(STAMP),
    "plates_destroyed": Sealed(),
    "proof_claims": Sealed("claimed_at"),
    "quarantined_events": Sealed(left_out=_these("event")),
    "receipts": Sealed(
        "money_id",
        "charge_id IN (SELECT charge_id FROM money WHERE id >= $2)",
        digests=_these("facts"),
        left_out=_these(*LISTING[:1]),
    ),
    "reconciliations": Sealed(digests=_these("matched")),
    "report_downloads": Sealed(),
    # The download it names has the SHA-256 of its content.
    "scheduled_files": Sealed(left_out=_these("content")),
    "refund_changes": Sealed(),
    "refund_proofs": Sealed(digests=_these("content")),
    "refund_receipts": Sealed(STAMP, digests=_these("facts")),
    "remitted_days": Sealed(STAMP),
    "revenue_targets": Sealed(),
    "settlement_lines": Sealed(),
    "shift_closings": Sealed(STAMP),
    "shifts": Sealed(STAMP, left_out=_these("token_hash")),
    "sign_changes": Sealed(),
    "spot_files": Sealed(),
    "statement_balances": Sealed(),
    "statement_lines": Sealed(digests=_these("narrative")),
    "stay_voids": Sealed(STAMP),
    "told_parts": Sealed("booked_at", left_out=_these("covers_until")),
    "unsettled_lines": Sealed(),
    "voucher_batches": Sealed("issued_at"),
    "voucher_ends": Sealed(STAMP),
    "voucher_refusals": Sealed(STAMP),
}  # fmt: skip

RECORDED: Mapping[str, Recorded] = {
    "acquirer_choices": Recorded(),
    "api_keys": Recorded(digests=_these("key_hash")),
    "attendant_cards": Recorded(),
    "attendant_requests": Recorded(digests=_these("nik_digest"), left_out=_these("nik_ending")),
    "attendants": Recorded(
        digests=_these("pin_hash", "nik_digest"),
        left_out=_these("failed_tries", "locked_until", "nik_ending"),
    ),
    "cases": Recorded(),
    "day_closes": Recorded(digests=_these("snapshot")),
    "devices": Recorded(),
    "discrepancies": Recorded(),
    "exemptions": Recorded(),
    "fee_claims": Recorded(),
    "ledger_accounts": Recorded(),
    "mdr_rules": Recorded(),
    "officer_passkeys": Recorded(left_out=_these("sign_count", "last_used_at")),
    "officer_requests": Recorded(),
    "officer_totps": Recorded(digests=_these("secret"), left_out=_these("last_step")),
    "officers": Recorded(digests=_these("password_hash")),
    "pass_prices": Recorded(),
    "payout_lines": Recorded(),
    "payout_runs": Recorded(),
    "posted_codes": Recorded(),
    "quarantine_cases": Recorded(),
    "refunds": Recorded(left_out=_these("next_inquiry_at")),
    "remittances": Recorded(),
    "report_schedules": Recorded(
        digests=_these("mail_to"), left_out=_these("failed_at", "failure")
    ),
    "rule_proposals": Recorded(),
    "voucher_proposals": Recorded(),
    "settlement_corrections": Recorded(digests=_these("content")),
    "share_rules": Recorded(),
    "shift_differences": Recorded(),
    "signs": Recorded(),
    "spot_assignments": Recorded(),
    "spots": Recorded(left_out=_these("written_in")),
    "tariff_proposals": Recorded(),
    "tariffs": Recorded(),
    "unended_stays": Recorded(),
    "unit_moves": Recorded(),
    "units": Recorded(),
    "webhook_subscriptions": Recorded(
        digests=_these("secret"), left_out=_these("previous_secret", "previous_until")
    ),
    "zones": Recorded(),
}

OUTSIDE: Mapping[str, str] = {
    "audit_checkpoints": "of the log itself: signed, and compared with it",
    "audit_leaves": "the log itself",
    "audit_sweeps": "of the log itself: compared with it",
    "audit_tiles": "of the log itself: compared with it",
    "complaint_changes": "moves no money; what follows from it is a refund",
    "complaint_photos": "tells of persons and is destroyed in time",
    "complaints": "tells of persons and is destroyed in time; a refund that follows is covered",
    "device_nonces": "lives for minutes",
    "device_reports": "a device's health",
    "enrolment_codes": "what a code let in is a device, its key and its changes",
    "fee_sums": "sums that follow from settlement lines, compared with them",
    "head_counts": "an observation; a device event holds it too",
    "notice_changes": "moves no money; a receipt that settles a notice is covered",
    "notice_photos": "tells of persons and is destroyed in time; a device event holds the hashes",
    "notices": "tells of persons in part and is destroyed in time; a device event holds it too",
    "officer_recovery_codes": "each is used once; officer_changes tells of them",
    "officer_setup_codes": "lives for days; officer_changes tells of them",
    "officer_sign_ins": "lives for hours",
    "outbox": "copies of facts for integrators",
    "party_sums": "sums that follow from the ledger, compared with it",
    "passkey_challenges": "lives for minutes",
    "parking_sessions": "has plates, destroyed in time; what was paid for stands in payments",
    "pooled_charges": "barcodes issued ahead; a charge of its own each",
    "receipt_series": "a counter; the receipts are without gaps",
    "refund_wishes": "tells of persons and is destroyed in time; a case and a refund follow",
    "reminders": "addresses of browsers, gone after the stay",
    "left_out_mails": "how telling of periods without a file went",
    "scheduled_mails": "how telling of files went",
    "sign_in_tries": "counts for minutes",
    "sign_cases": "follows from sign checks",
    "sign_checks": "an observation; a device event holds it too",
    "sign_photos": "how a sign hung last",
    "sign_scans": "how often signs are read",
    "sign_on_attempts": "lives for minutes",
    "spot_links": "how good connections are",
    "stay_checks": "an observation; a device event holds it too",
    "takings": "sums that follow from ledger, money and settlement lines, compared with them",
    "takings_swept": "how far those sums go",
    "transfer_cases": "follows from payout lines, refunds, remittances and statement lines",
    "used_nonces": "lives for minutes",
    "webhook_attempts": "how telling integrators went",
    "webhook_deliveries": "how telling integrators went",
}


@dataclass(frozen=True)
class Source:
    """The SQL by which the rows of a sealed table are read."""

    name: str
    rule: Sealed

    @cached_property
    def table(self) -> Table:
        return Base.metadata.tables[self.name]

    @cached_property
    def columns(self) -> list[str]:
        left_out = self.rule.left_out | {STAMP}
        return sorted(c.name for c in self.table.columns if c.name not in left_out)

    @cached_property
    def key(self) -> str:
        """The row's key as one text."""
        parts = (_as_text(column) for column in self.table.primary_key)
        return " || ' ' || ".join(parts)

    @cached_property
    def order(self) -> Sequence[str]:
        return [f"t.{column.name}" for column in self.table.primary_key]

    @cached_property
    def key_types(self) -> Sequence[str]:
        dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
        return [column.type.compile(dialect) for column in self.table.primary_key]

    @cached_property
    def named(self) -> str:
        """The row of a key that is given in parts, `:part_0` …, found by its index."""
        return " AND ".join(
            f"{name} = CAST(CAST(:part_{at} AS text) AS {kind})"
            for at, (name, kind) in enumerate(zip(self.order, self.key_types, strict=True))
        )

    def parts(self, key: str) -> dict[str, str]:
        told = key.split(" ", len(self.order) - 1)
        return {f"part_{at}": part for at, part in enumerate(told)}

    @cached_property
    def values(self) -> str:
        """The sealed columns as an array of texts."""
        told = []
        for name in self.columns:
            column = self.table.c[name]
            told.append(_digest(column) if name in self.rule.digests else _as_text(column))
        return f"ARRAY[{', '.join(told)}]"

    @cached_property
    def written(self) -> str:
        """When the row was written, as far as it says so itself."""
        name = f"t.{self.rule.written}"
        if not self._by_id:
            return name
        digits = f"substr(replace({name}::text, '-', ''), 1, 12)"
        return (
            f"CASE WHEN substr({name}::text, 15, 1) = '7' THEN"
            f" to_timestamp(('x' || {digits})::bit(48)::bigint / 1000.0) END"
        )

    @cached_property
    def recent(self) -> str:
        """Which rows may have been written since `$1`, which as a UUIDv7 is `$2`."""
        if self.rule.recent:
            return f"t.{self.rule.recent}"
        return f"t.{self.rule.written} >= {'$2' if self._by_id else '$1'}"

    @property
    def is_by_key(self) -> bool:
        """Whether the index of the key finds what is recent."""
        return self._by_id and self.order[0] == f"t.{self.rule.written}"

    @property
    def _by_id(self) -> bool:
        return isinstance(self.table.c[self.rule.written].type, Uuid)

    def data(self, values: Sequence[str | None]) -> bytes:
        """What is hashed: JSON of all that the row has, and nothing for what it has not.

        So a column that is added later, and empty in the rows there are, changes none of them.
        """
        row = {
            name: value for name, value in zip(self.columns, values, strict=True)
            if value is not None
        }  # fmt: skip
        told = {"table": self.name, "row": row}
        return json.dumps(told, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def sources() -> list[Source]:
    return [Source(name, rule) for name, rule in SEALED.items()]


def _as_text(column: Column[object]) -> str:
    """A column's value as a text that no setting of a connection changes."""
    name, kind = f"t.{column.name}", column.type
    if isinstance(kind, DateTime):
        return f"""to_char({name} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
    if isinstance(kind, Date):
        return f"to_char({name}, 'YYYY-MM-DD')"
    if isinstance(kind, LargeBinary):
        return f"encode({name}, 'hex')"
    if isinstance(kind, ARRAY):
        return f"array_to_json({name})::text"
    return f"{name}::text"


def _digest(column: Column[object]) -> str:
    name = f"t.{column.name}"
    raw = name if isinstance(column.type, LargeBinary) else f"convert_to({name}::text, 'UTF8')"
    return f"encode(sha256({raw}), 'hex')"

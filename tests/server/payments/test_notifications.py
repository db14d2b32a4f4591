"""The acquirer's callback: what is refused leaves one audit row, what is true is posted once."""

import asyncio
import base64
import hashlib
import json
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import AsyncMock
from uuid import UUID

import httpx
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from prometheus_client import REGISTRY
from sqlalchemy import insert
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from server.app import create_app
from server.database import new_id
from server.payments import queries
from server.payments.callbacks import MAX_BODY, Callback
from server.payments.models import Notification
from tests.server.conftest import CLIENT_SECRET
from tests.server.payments.conftest import CAR_RP, LIFETIME, Office, answers, on_a_socket
from tests.server.payments.voice import NOTIFY, TOKEN, Voice, compact, rupiah

OK = {"responseCode": "2005200", "responseMessage": "Successful"}
MESSAGES = {
    "not-json": "Bad Request",
    "oversized": "Bad Request",
    "bad-field": "Invalid Field Format ",
    "bad-amount": "Invalid Field Format amount",
    "bad-timestamp": "Invalid Field Format X-TIMESTAMP",
    "bad-external-id": "Invalid Field Format X-EXTERNAL-ID",
    "missing-field": "Missing Mandatory Field ",
    "stale": "Unauthorized. Timestamp out of range",
    "bad-signature": "Unauthorized. Invalid Signature",
    "unknown-reference": "Transaction Not Found",
    "other-merchant": "Invalid Merchant",
    "other-amount": "Invalid Amount",
    "other-reference": "Inconsistent Request",
}
"""What the standard has the acquirer told, by our own name for what was wrong."""
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class Sent:
    """One request as it goes over the wire, and what must become of it."""

    content: bytes
    headers: dict[str, str | bytes]
    code: str
    outcome: str


Vectors = dict[str, Sent]


def forged_and_odd(  # noqa: C901 - one table, made by several loops
    voice: Voice, charge_id: UUID, now: datetime
) -> Vectors:
    """Every way in which a notification can be wrong, each with the answer it deserves."""
    good = voice.body(charge_id, CAR_RP, "626100000001")
    raw = compact(good)
    vectors: Vectors = {}

    def add(name: str, code: str, outcome: str, content: bytes = raw, **how: Any) -> None:
        """Signed well unless `how` says otherwise."""
        vectors[name] = Sent(content, voice.headers(content, **({"at": now} | how)), code, outcome)

    def altered(name: str, content: bytes) -> None:
        """The signature of the good body over another one."""
        headers = voice.headers(raw, at=now)
        vectors[name] = Sent(content, headers, "4015200", "bad-signature")

    def says(name: str, code: str, outcome: str, **changed: Any) -> None:
        add(name, code, outcome, compact(voice.body(charge_id, CAR_RP, "626100000001") | changed))

    # Whose signature, and over what
    foreign = replace(voice, key=OTHER_KEY)
    vectors["another key"] = Sent(raw, foreign.headers(raw, at=now), "4015200", "bad-signature")
    altered("one byte of the amount", raw.replace(b"4000.00", b"5000.00"))
    altered("one byte at the end", raw + b" x")
    altered("one byte in a name", raw.replace(b"issuerName", b"issuerNane"))
    altered("keys in another order", compact(dict(reversed(good.items()))))
    altered("numbers and escapes rewritten", raw.replace(b"D", b"\\u0044"))
    altered("space inside a text", raw.replace(b"Dompet Contoh", b"Dompet  Contoh"))
    altered("empty body", b"")
    bad = {
        "no signature": None,
        "empty signature": "",
        "signature is no base64": "bukan base64!",
        "signature of zeros": base64.b64encode(bytes(256)).decode(),
        "signature cut": base64.b64encode(bytes(range(200))).decode(),
        "signature with bytes beyond ASCII": "é".encode("latin-1"),
        "very long signature": "A" * 8_000,
    }
    for name, signature in bad.items():
        add(name, "4015200", "bad-signature", x_signature=signature)
    digest = hashlib.sha256(raw).hexdigest()
    stamp = now.isoformat(timespec="seconds")
    text = f"POST:{NOTIFY}:{digest}:{stamp}"
    public = voice.key.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    swapped = voice.hmac(text, pem)
    add("HMAC under the public key", "4015200", "bad-signature", x_signature=swapped)
    add("HMAC under the secret", "4015200", "bad-signature", x_signature=voice.hmac(text))
    pss = voice.key.sign(
        text.encode(), padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256()
    )
    pss_text = base64.b64encode(pss).decode()
    add("PSS instead of PKCS#1", "4015200", "bad-signature", x_signature=pss_text)
    sha1 = voice.key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA512())
    sha1_text = base64.b64encode(sha1).decode()
    add("another digest", "4015200", "bad-signature", x_signature=sha1_text)
    wrong_path = "/v1.0/qr/qr-mpm-query"
    add("signed for another path", "4015200", "bad-signature", path=wrong_path)
    add("signed with a query string", "4015200", "bad-signature", path=f"{NOTIFY}?x=1")
    get = voice.rsa(f"GET:{NOTIFY}:{digest}:{stamp}")
    add("signed for another method", "4015200", "bad-signature", x_signature=get)

    # When
    for minutes in (-6, 6):
        add(f"{minutes:+} minutes", "4015200", "stale", at=now + timedelta(minutes=minutes))
    later = (now + timedelta(seconds=1)).isoformat(timespec="seconds")
    add("time changed after signing", "4015200", "bad-signature", x_timestamp=later)
    for name, stamp_text in {
        "no time": None,
        "empty time": "",
        "time without zone": now.replace(tzinfo=None).isoformat(timespec="seconds"),
        "time is a number": str(int(now.timestamp())),
        "time is rubbish": "sekarang",
    }.items():
        add(name, "4005201", "bad-timestamp", x_timestamp=stamp_text)
    add("first year of all", "4015200", "stale", timestamp="0001-01-01T00:00:00+14:00")
    add("last year of all", "4015200", "stale", timestamp="9999-12-31T23:59:59-12:00")

    # Its number of the day
    for name, external_id in {
        "no external id": None,
        "empty external id": "",
        "external id with letters": "12a",
        "external id of Arabic digits": "１２３".encode(),
        "external id with superscripts": "²³".encode("latin-1"),
        "external id too long": "1" * 37,
        "external id is SQL": "1'; DROP TABLE money; --",
    }.items():
        add(name, "4005201", "bad-external-id", x_external_id=external_id)

    # What it says, well signed
    says("other merchant", "4045208", "other-merchant", merchantId="KARCIS000000002")
    says("other merchant further in", "4045208", "other-merchant",
         additionalInfo={"merchantId": "KARCIS000000002"})  # fmt: skip
    says("a rupiah more", "4045213", "other-amount", amount=rupiah(CAR_RP + 1))
    says("a rupiah less", "4045213", "other-amount", amount=rupiah(CAR_RP - 1))
    says("nothing", "4045213", "other-amount", amount=rupiah(0))
    for name, amount in {
        "other currency": {"value": "4000.00", "currency": "USD"},
        "no currency": {"value": "4000.00"},
        "half a rupiah": {"value": "4000.50", "currency": "IDR"},
        "exponent": {"value": "4e3", "currency": "IDR"},
        "negative": {"value": "-4000.00", "currency": "IDR"},
        "number instead of text": {"value": 4000, "currency": "IDR"},
        "full-width digits": {"value": "４０００", "currency": "IDR"},
        "amount is a text": "4000.00",
        "amount is null": None,
    }.items():
        says(name, "4005201", "bad-amount", amount=amount)
    says("unknown reference", "4045201", "unknown-reference",
         originalPartnerReferenceNo=new_id().hex)  # fmt: skip
    for required in (
        "originalReferenceNo",
        "originalPartnerReferenceNo",
        "latestTransactionStatus",
    ):
        says(f"no {required}", "4005202", "missing-field", **{required: ""})
        says(f"{required} is a list", "4005201", "bad-field", **{required: ["x"]})
    says("very long field", "4005201", "bad-field", originalReferenceNo="7" * 65)
    says("NUL in a field", "4005201", "bad-field", originalReferenceNo="7\x007")
    says("line feed in a field", "4005201", "bad-field", originalPartnerReferenceNo="7\n7")
    says("RRN with an escape sequence", "4005201", "bad-field",
         additionalInfo={"rrn": "\x1b[2J"})  # fmt: skip
    says("right-to-left override", "4005201", "bad-field", latestTransactionStatus="\u202e00")
    surrogate = raw.replace(b"626100000001", b"\\ud800")
    add("lone surrogate", "4005201", "bad-field", surrogate)

    # What is hardly JSON at all, well signed
    for name, content in {
        "not JSON": b"originalReferenceNo=77&amount=4000",
        "signed nothing": b"",
        "JSON list": b"[" + raw + b"]",
        "JSON text": b'"2005200"',
        "JSON null": b"null",
        "duplicate key": raw.replace(b'{"orig', b'{"latestTransactionStatus":"00","orig', 1),
        "duplicate key further in": raw.replace(
            b'"value":"4000.00"', b'"value":"1.00","value":"4000.00"'
        ),
        "deep nesting": b'{"a":' * 9_000 + b"1" + b"}" * 9_000,
        "deep list": b"[" * 60_000,
        "not UTF-8": raw.replace(b"success", b"succ\xff\xfe"),
        "control characters": raw.replace(b"success", b"suc\x01\x02"),
        "cut short": raw[:-10],
        "two bodies": raw + raw,
        "a number of ten thousand digits": b'{"a":' + b"9" * 10_000 + b"}",
    }.items():
        add(name, "4005200", "not-json", content)
    add("oversized", "4005200", "oversized", raw + b" " * MAX_BODY)
    return vectors


async def test_whatever_is_forged_or_odd_is_refused_and_leaves_one_audit_row(office, api):
    charge_id = await office.request()
    vectors = forged_and_odd(office.voice, charge_id, datetime.now(UTC))
    assert len(vectors) >= 40

    seen, expected = {}, {}
    for name, sent in vectors.items():
        before = await office.count("notifications")
        answer = await api.post(NOTIFY, content=sent.content, headers=sent.headers)
        rows = await office.rows("SELECT * FROM notifications ORDER BY id DESC LIMIT 1")
        seen[name] = (
            answer.status_code,
            answer.json()["responseCode"],
            rows[0]["outcome"],
            await office.count("notifications") - before,
            rows[0]["body"],
            rows[0]["signature"],
        )
        expected[name] = (int(sent.code[:3]), sent.code, sent.outcome, 1, None, None)
        assert answer.json()["responseMessage"].startswith(MESSAGES[sent.outcome]), name
        # The row names the body by its hash: nothing of a forgery is kept, no key and no token.
        kept = repr(rows[0])
        assert CLIENT_SECRET not in kept
        assert "626100000001" not in kept
    assert seen == expected

    for table in ("ledger_entries", "money", "receipts", "cases"):
        assert await office.count(table) == 0
    charge = await office.charge(charge_id)
    assert (charge["state"], charge["money_flag"]) == ("issued", None)

    # None of it stands in the way of the true one.
    assert (await office.tell(charge_id)).code == "2005200"
    assert (await office.charge(charge_id))["state"] == "paid"


async def test_the_true_one_is_posted_with_entry_receipt_state_and_evidence(office, api):
    charge_id = await office.request(plate="KH 1234 AB")
    now = datetime.now(UTC)
    paid_at = now.replace(microsecond=0) - timedelta(seconds=3)
    body = office.voice.body(charge_id, CAR_RP, "626100000001")
    body["additionalInfo"]["paidTime"] = paid_at.isoformat()
    content = compact(body)
    headers = office.voice.headers(content, at=now, external_id="9" * 36)  # as long as may be
    answer = await api.post(NOTIFY, content=content, headers=headers)
    assert (answer.status_code, answer.json()) == (200, OK)

    charge = await office.charge(charge_id)
    assert (charge["state"], charge["money_flag"]) == ("paid", "exact")
    assert (charge["paid_at"], charge["next_inquiry_at"]) == (paid_at, None)
    assert await office.stay(charge_id) == ("paid", "open")
    money = (await office.rows("SELECT * FROM money"))[0]
    assert (money["amount_rp"], money["flag"], money["rrn"]) == (CAR_RP, "exact", "626100000001")
    postings = await office.rows(
        "SELECT account_code, amount_rp FROM ledger_postings WHERE entry_id = :id ORDER BY line",
        id=money["entry_id"],
    )
    assert postings == [
        {"account_code": "1120", "amount_rp": CAR_RP},
        {"account_code": "4110.PSR", "amount_rp": -CAR_RP},
        # The sample town's rule: 35 % for attendants, here the zone's pool, and 5 % for another.
        {"account_code": "5120", "amount_rp": CAR_RP * 40 // 100},
        {"account_code": "2120", "amount_rp": -CAR_RP * 35 // 100},
        {"account_code": "2130", "amount_rp": -CAR_RP * 5 // 100},
    ]
    receipt = (await office.rows("SELECT * FROM receipts"))[0]
    assert (receipt["charge_id"], receipt["money_id"]) == (charge_id, money["id"])
    assert receipt["number"].startswith(f"PSR-{paid_at.year}-000001-")
    evidence = (await office.rows("SELECT * FROM notifications"))[0]
    assert evidence["id"] == money["notification_id"]
    assert (evidence["body"], evidence["signature"]) == (content, headers["X-SIGNATURE"])
    assert (evidence["outcome"], evidence["response_code"]) == ("accepted", "2005200")
    assert (await office.story(charge_id))[-1] == ("issued", "paid", "acquirer")


async def test_a_consumers_payment_is_heard_at_its_own_path_and_answered_by_its_own_code(
    office, api
):
    charge_id = await office.request()
    content = compact(office.voice.body(charge_id, CAR_RP, "626100000001"))
    path = "/v1.0/qr/qr-cpm-notify"
    for signed_for, status, code in ((NOTIFY, 401, "4017900"), (path, 200, "2007900")):
        headers = office.voice.headers(content, at=datetime.now(UTC), path=signed_for)
        answer = await api.post(path, content=content, headers=headers)
        assert (answer.status_code, answer.json()["responseCode"]) == (status, code)
    assert (await office.charge(charge_id))["state"] == "paid"
    kept = await office.rows("SELECT response_code FROM notifications ORDER BY id")
    assert [row["response_code"] for row in kept] == ["4017900", "2007900"]


async def test_white_space_added_on_the_way_is_accepted(office, api):
    """Some acquirers sign the minified body and send another; the bytes kept are those sent."""
    charge_id = await office.request()
    body = office.voice.body(charge_id, CAR_RP, "1")
    sent = json.dumps(body, indent=2).encode()
    headers = office.voice.headers(compact(body), at=datetime.now(UTC))
    answer = await api.post(NOTIFY, content=sent, headers=headers)
    assert answer.json() == OK
    assert (await office.rows("SELECT body FROM notifications"))[0]["body"] == sent

    # And one that signs the spaces themselves.
    second = await office.request()
    body = json.dumps(office.voice.body(second, CAR_RP, "2"), indent=1).encode()
    headers = office.voice.headers(body, at=datetime.now(UTC))
    assert (await api.post(NOTIFY, content=body, headers=headers)).json() == OK
    assert await office.count("receipts") == 2


async def test_a_signature_of_a_longer_key_fits(office):
    """RSA of 3200 bits writes 536 characters, of 4096 bits 684."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=3200)
    inbox = office.wired.inbox
    inbox.listener = replace(inbox.listener, public_key=key.public_key())
    office.voice = replace(office.voice, key=key)
    charge_id = await office.request()
    assert (await office.tell(charge_id)).code == "2005200"


def counted(outcome: str) -> float:
    labels = {"acquirer": "sandbox", "outcome": outcome}
    return REGISTRY.get_sample_value("karcis_notify_total", labels) or 0


async def test_a_repeat_is_acknowledged_again_and_posted_once(office):
    charge_id = await office.request()
    posted, repeated = counted("posted"), counted("repeat")
    for external_id in ("1001", "1001", "1002", "1001"):
        assert (await office.tell(charge_id, external_id=external_id)).code == "2005200"
    assert (counted("posted") - posted, counted("repeat") - repeated) == (1, 3)
    outcomes = Counter(row["outcome"] for row in await office.rows("SELECT * FROM notifications"))
    assert outcomes == {"accepted": 2, "repeat": 2}
    assert await office.count("money") == await office.count("receipts") == 1


async def test_an_external_id_is_not_taken_for_another_body(office):
    first, second = await office.request(), await office.request()
    assert (await office.tell(first, external_id="7")).code == "2005200"
    assert (await office.tell(second, external_id="7", rrn="2")).code == "4095200"
    assert (await office.charge(second))["state"] == "issued"
    audit = await office.rows("SELECT outcome, charge_id FROM notifications ORDER BY id DESC")
    assert audit[0] == {"outcome": "external-id-reused", "charge_id": None}
    # Tomorrow the number is free again.
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert (await office.tell(second, external_id="7", rrn="2", now=tomorrow)).code == "2005200"


async def test_one_external_id_for_two_charges_at_once_is_no_fault_of_ours(office, api):
    charges = [await office.request() for _ in range(6)]
    at = datetime.now(UTC)

    async def tell(number: int, charge_id: UUID) -> httpx.Response:
        content = compact(office.voice.body(charge_id, CAR_RP, str(number)))
        headers = office.voice.headers(content, at=at, external_id="555")
        return await api.post(NOTIFY, content=content, headers=headers)

    told = await asyncio.gather(*(tell(n, charge) for n, charge in enumerate(charges)))
    assert Counter(answer.json().get("responseCode") for answer in told) == {
        "2005200": 1,
        "4095200": 5,
    }
    assert await office.count("money") == 1
    assert await office.count("notifications") == 6


WAITING_FOR_A_LOCK = (
    "SELECT 1 FROM pg_locks JOIN pg_stat_activity USING (pid)"
    " WHERE datname = current_database() AND NOT granted"
)


async def test_an_external_id_taken_at_this_very_moment_is_a_conflict(office):
    """By another process of ours, whose rows are not committed when this one looks."""
    charge_id, now = await office.request(), datetime.now(UTC)
    async with office.transactions.begin() as elsewhere:
        await elsewhere.execute(
            insert(Notification).values(
                acquirer="sandbox",
                day=office.wired.books.day(now),
                external_id="555",
                received_at=now,
                outcome="accepted",
                response_code="2005200",
                body_hash=b"other",
            )
        )
        telling = asyncio.create_task(office.tell(charge_id, external_id="555", now=now))
        while not await office.rows(WAITING_FOR_A_LOCK):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    answer = await telling
    assert (answer.status, answer.code) == (409, "4095200")
    rows = await office.rows("SELECT outcome, response_code, body FROM notifications ORDER BY id")
    assert rows[1:] == [{"outcome": "conflict", "response_code": "4095200", "body": None}]
    assert await office.count("money") == 0

    assert (await office.tell(charge_id, external_id="556")).code == "2005200"
    assert (await office.charge(charge_id))["state"] == "paid"


async def test_what_the_database_refuses_otherwise_is_a_fault_of_ours_and_no_conflict(
    office, meddle
):
    """An acquirer that hears of a conflict may give up; one that hears of a fault tells again."""
    charge_id = await office.request()
    await meddle("ALTER TABLE money ADD CONSTRAINT uji CHECK (amount_rp < 0)")
    assert (await office.tell(charge_id)).code == "5005200"
    assert await office.count("notifications") == 0
    await meddle("ALTER TABLE money DROP CONSTRAINT uji")
    assert (await office.tell(charge_id)).code == "2005200"


async def test_fifty_at_once_post_once_and_are_all_acknowledged(app, office):
    """Over real sockets: half say it with one external id, half each with its own."""
    charge_id = await office.request()
    content = compact(office.voice.body(charge_id, CAR_RP, "626100000001"))
    at = datetime.now(UTC)
    async with (
        on_a_socket(app) as url,
        httpx.AsyncClient(
            base_url=url, trust_env=False, timeout=20, limits=httpx.Limits(max_connections=50)
        ) as client,
    ):
        told = await asyncio.gather(
            *(
                client.post(
                    NOTIFY,
                    content=content,
                    headers=office.voice.headers(
                        content, at=at, external_id="9" if number % 2 else None
                    ),
                )
                for number in range(50)
            )
        )
    assert [answer.status_code for answer in told] == [200] * 50
    assert all(answer.json() == OK for answer in told)
    for table in ("money", "receipts", "ledger_entries"):
        assert await office.count(table) == 1
    assert await office.count("notifications") == 50
    assert (await office.rows("SELECT last FROM receipt_series"))[0]["last"] == 1


@pytest.mark.parametrize(
    ("failure", "code", "message", "outcome"),
    [
        (ConnectionRefusedError(), "5045200", "Timeout", "unreachable"),
        (NoConnectionFree(), "5045200", "Timeout", "unreachable"),
        (KeyError("a bug"), "5005200", "General Error", "failed"),
    ],
)
async def test_a_failure_of_ours_is_answered_in_the_acquirers_form_and_the_money_told_again(
    office, api, monkeypatch, failure, code, message, outcome
):
    charge_id, before = await office.request(), counted(outcome)
    content = compact(office.voice.body(charge_id, CAR_RP, "626100000001"))
    headers = office.voice.headers(content, at=datetime.now(UTC))
    with monkeypatch.context() as broken:
        broken.setattr(queries, "lock_charges", AsyncMock(side_effect=failure))
        answer = await api.post(NOTIFY, content=content, headers=headers)
    assert answer.status_code == int(code[:3])
    assert answer.json() == {"responseCode": code, "responseMessage": message}
    assert counted(outcome) - before == 1

    answer = await api.post(NOTIFY, content=content, headers=headers)
    assert (answer.status_code, answer.json()) == (200, OK)
    assert (await office.charge(charge_id))["state"] == "paid"


async def test_another_amount_is_asked_about_and_the_answer_decides(office, sandbox):
    charge_id = await office.request()
    qris = (await office.charge(charge_id))["qris"]
    now = datetime.now(UTC)
    assert (await office.tell(charge_id, CAR_RP + 1, now=now)).code == "4045213"
    charge = await office.charge(charge_id)
    assert (charge["state"], charge["next_inquiry_at"]) == ("issued", now)
    audit = (await office.rows("SELECT outcome, charge_id FROM notifications"))[0]
    assert audit == {"outcome": "other-amount", "charge_id": charge_id}

    await sandbox.pay(qris)  # the truth: it was the right amount after all
    await office.inquire(charge_id)
    assert (await office.charge(charge_id))["money_flag"] == "exact"
    assert await office.count("receipts") == 1


async def test_money_of_another_amount_waits_in_suspense_for_a_person(office, scripted):
    for amount_rp, flag in ((CAR_RP + 500, "over"), (CAR_RP - 500, "under")):
        charge_id = await office.request()
        await office.tell(charge_id, amount_rp)
        confirming = scripted(
            answers(
                {
                    "responseCode": "2005100",
                    "latestTransactionStatus": "00",
                    "amount": rupiah(amount_rp),
                    "originalReferenceNo": flag,
                    "additionalInfo": {"rrn": "626100000001"},
                }
            )
        )
        for _ in range(2):
            await office.inquire(charge_id, acquirer=confirming)
        charge = await office.charge(charge_id)
        assert (charge["state"], charge["money_flag"]) == ("issued", flag)
        # Told again, the acquirer may rest; of any other money it is not believed.
        assert (await office.tell(charge_id, amount_rp)).code == "2005200"
        assert (await office.tell(charge_id, amount_rp + 1)).code == "4045213"
        assert (await office.tell(charge_id, amount_rp, rrn="626100000002")).code == "4045213"
    assert await suspense(office) == [
        (CAR_RP + 500, "over", "open"),
        (CAR_RP - 500, "under", "open"),
    ]
    assert await office.count("receipts") == 0


async def suspense(office: Office) -> list[tuple[int, str, str]]:
    """Open and closed cases, each with the sum that really lies in suspense for it."""
    rows = await office.rows(
        "SELECT -p.amount_rp AS held_rp, c.kind, c.state FROM cases c"
        " JOIN money m ON m.id = c.money_id AND m.amount_rp = c.amount_rp"
        " JOIN ledger_postings p ON p.entry_id = m.entry_id AND p.account_code = '2190'"
        " WHERE c.owner <> '' ORDER BY c.opened_at"
    )
    return [(row["held_rp"], row["kind"], row["state"]) for row in rows]


async def test_a_notification_quicker_than_our_own_record_is_kept(office, scripted):
    """The acquirer tells of the payment before its answer to `generate` has reached us."""
    charge_id = new_id()
    wired = office.wired

    async def quick(request: httpx.Request) -> httpx.Response:
        issued = await wired.acquirers.first.generate(
            charge_id.hex, CAR_RP, datetime.now(UTC) + LIFETIME
        )
        assert (await office.charge(charge_id))["state"] == "issuing"
        assert (await office.tell(charge_id)).code == "2005200"
        body = {
            "responseCode": "2004700",
            "referenceNo": issued.acquirer_reference,
            "qrContent": issued.qris,
        }
        return httpx.Response(200, json=body)

    await office.request(charge_id=charge_id, acquirer=scripted(quick))
    charge = await office.charge(charge_id)
    assert (charge["state"], charge["money_flag"]) == ("paid", "exact")
    assert charge["qris"].startswith("000201")
    assert await office.story(charge_id) == [
        ("new", "issuing", "request"),
        ("issuing", "issued", "acquirer"),
        ("issued", "paid", "acquirer"),
    ]
    assert await office.count("receipts") == 1


async def test_money_for_a_barcode_we_never_got_pays_it_unless_it_was_given_up(office, scripted):
    silent = scripted(answers({"responseCode": "5004700"}, 500))
    waiting, given_up = [await office.request(acquirer=silent) for _ in range(2)]
    await office.inquire(given_up)  # the sandbox has never heard of it
    ends = []
    for charge_id in (waiting, given_up):
        assert (await office.tell(charge_id)).code == "2005200"
        charge = await office.charge(charge_id)
        ends.append((charge["state"], charge["money_flag"]))
    assert ends == [("paid", "exact"), ("issue_failed", "late")]
    assert await suspense(office) == [(CAR_RP, "late", "open")]


async def test_money_after_expiry_is_acknowledged_and_held_for_a_person(office):
    for number, later in enumerate(
        (timedelta(minutes=30), timedelta(hours=6), timedelta(hours=12)), 1
    ):
        charge_id = await office.request()
        expires = (await office.charge(charge_id))["expires_at"]
        await office.inquire(charge_id, now=expires)
        assert (await office.charge(charge_id))["state"] == "expired"
        assert await office.stay(charge_id) == ("voided", "voided")

        for _ in range(2):
            assert (await office.tell(charge_id, now=expires + later)).code == "2005200"
        charge = await office.charge(charge_id)
        assert (charge["state"], charge["money_flag"]) == ("expired", "late")
        assert charge["paid_at"] is None
        assert await suspense(office) == [(CAR_RP, "late", "open")] * number
    assert await office.count("receipts") == 0


async def test_a_late_notification_of_money_paid_in_time_pays_the_charge(office):
    """The acquirer's retries come hours later; nobody has asked since."""
    charge_id = await office.request()
    expires = (await office.charge(charge_id))["expires_at"]
    assert (await office.tell(charge_id, now=expires + timedelta(hours=6))).code == "2005200"
    assert (await office.charge(charge_id))["state"] == "paid"


async def test_paying_twice_gives_one_receipt_and_one_case(office):
    charge_id = await office.request()
    for rrn in ("A1", "A2", "A1", "A2", None):
        assert (await office.tell(charge_id, rrn=rrn)).code == "2005200"
    assert await suspense(office) == [(CAR_RP, "duplicate", "open")]
    assert await office.count("money") == 2
    assert await office.count("receipts") == 1
    assert (await office.charge(charge_id))["state"] == "paid"


async def test_paying_twice_at_once_gives_one_receipt_and_one_case(office):
    charge_id = await office.request()
    told = await asyncio.gather(*(office.tell(charge_id, rrn=f"A{n % 2}") for n in range(20)))
    assert {answer.code for answer in told} == {"2005200"}
    assert await suspense(office) == [(CAR_RP, "duplicate", "open")]
    assert await office.count("receipts") == 1


async def test_one_payment_whose_network_id_is_written_differently_counts_once(office):
    charge_id = await office.request()
    for rrn in ("123", "000000000123", " 000123 "):
        assert (await office.tell(charge_id, rrn=rrn)).code == "2005200"
    assert await office.rows("SELECT rrn FROM money") == [{"rrn": "000000000123"}]
    assert await office.count("cases") == 0


async def test_money_without_a_network_id_counts_once(office):
    for rrns in ((None, "A1"), ("A1", None), (None, None)):
        charge_id = await office.request()
        for rrn in rrns:
            assert (await office.tell(charge_id, rrn=rrn)).code == "2005200"
    assert await office.count("money") == await office.count("receipts") == 3
    assert await office.count("cases") == 0


async def test_a_second_payment_without_a_network_id_is_not_lost(office):
    """Under another reference of the acquirer it is other money, whatever it lacks."""
    charge_id = await office.request()
    await office.rows("UPDATE charges SET acquirer_reference = NULL RETURNING id")
    for reference, rrn in (("X1", "A1"), ("X2", None)):
        answer = await office.tell(charge_id, rrn=rrn, originalReferenceNo=reference)
        assert answer.code == "2005200"
    flags = await office.rows("SELECT flag FROM money ORDER BY id")
    assert [row["flag"] for row in flags] == ["exact", "duplicate"]
    assert (await office.count("receipts"), await office.count("cases")) == (1, 1)


async def test_another_reference_than_the_one_it_issued_is_not_believed(office, sandbox):
    charge_id, now = await office.request(), datetime.now(UTC) + timedelta(seconds=1)
    answer = await office.tell(charge_id, originalReferenceNo="ANOTHER", now=now)
    assert answer.code == "4045218"
    assert await office.count("money") == 0
    assert (await office.charge(charge_id))["next_inquiry_at"] == now, "it is asked about at once"


async def test_a_status_other_than_paid_posts_nothing_and_asks(office):
    charge_id = await office.request()
    statuses = ("01", "02", "03", "04", "05", "06", "07", "08", "XX", "0", "000", "9" * 64)
    for later, status in enumerate(statuses, 1):
        now = datetime.now(UTC) + timedelta(seconds=later)
        answer = await office.tell(charge_id, latestTransactionStatus=status, now=now)
        assert answer.code == "2005200"
        charge = await office.charge(charge_id)
        assert (charge["state"], charge["money_flag"]) == ("issued", None)
        assert charge["next_inquiry_at"] == now
    assert await office.count("money") == await office.count("ledger_entries") == 0
    outcomes = await office.rows("SELECT outcome FROM notifications ORDER BY id")
    expected = [f"status-{status}"[:40] for status in statuses]  # it also labels a metric
    assert [row["outcome"] for row in outcomes] == expected


async def test_an_acquirer_whose_clock_is_wrong_still_gets_its_money_recorded(office):
    now = datetime.now(UTC) + timedelta(minutes=1)
    day = now.astimezone(office.wired.books.timezone).date()
    for paid_time in (
        "1970-01-01T07:00:00+07:00",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-12:00",
        "2126-01-01T00:00:00+07:00",
        (now - timedelta(hours=1)).isoformat(),
        now.replace(tzinfo=None).isoformat(),
        "kemarin",
        1_770_000_000,
    ):
        charge_id = await office.request()
        extra = {"rrn": "A1", "paidTime": paid_time}
        answer = await office.tell(charge_id, rrn=None, now=now, additionalInfo=extra)
        assert answer.code == "2005200", paid_time
        assert (await office.charge(charge_id))["paid_at"] == now, paid_time
    assert await office.rows("SELECT DISTINCT business_day FROM money") == [{"business_day": day}]


async def test_one_payment_told_for_two_charges_is_recorded_once(office):
    """The acquirer's mistake: the same reference and RRN under two of our references."""
    first, second = await office.request(), await office.request()
    await office.rows("UPDATE charges SET acquirer_reference = NULL RETURNING id")
    assert (await office.tell(first, originalReferenceNo="77", rrn="A1")).code == "2005200"
    now = datetime.now(UTC) + timedelta(seconds=1)
    answer = await office.tell(second, originalReferenceNo="77", rrn="A1", now=now)
    assert answer.code == "4045218"
    audit = await office.rows("SELECT outcome, charge_id FROM notifications ORDER BY id DESC")
    assert audit[0] == {"outcome": "reference-reused", "charge_id": second}
    assert (await office.charge(second))["state"] == "issued"
    assert (await office.charge(second))["next_inquiry_at"] == now, "it is asked about at once"
    assert await office.count("money") == 1


# Acquirers that sign with a shared secret, under a token they got from us


@dataclass
class Symmetric:
    """A server that takes symmetric signatures only, and the acquirer that calls it."""

    client: httpx.AsyncClient
    office: Office

    async def token(self, **changed: Any) -> httpx.Response:
        at = changed.pop("at", datetime.now(UTC))
        content = changed.pop("content", b'{"grantType":"client_credentials"}')
        headers = self.office.voice.token_headers(at=at, **changed)
        return await self.client.post(TOKEN, content=content, headers=headers)

    async def notify(self, charge_id: UUID, token: str, **how: Any) -> httpx.Response:
        voice = replace(self.office.voice, token=token)
        content = compact(voice.body(charge_id, CAR_RP, "A1"))
        headers = voice.headers(content, at=datetime.now(UTC), symmetric=True, **how)
        wire = {name: value.encode("latin-1") for name, value in headers.items()}
        return await self.client.post(NOTIFY, content=content, headers=wire)


@pytest.fixture
async def symmetric(settings, sandbox, voice):
    application = create_app(settings.model_copy(update={"acquirer": "sandbox-symmetric"}))
    acquirer = application.state.payments.acquirers.first
    await acquirer.close()
    acquirer._client = sandbox.client
    transport = httpx.ASGITransport(app=application, raise_app_exceptions=False)
    async with (
        application.router.lifespan_context(application),
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client,
    ):
        yield Symmetric(client, Office(application, voice))


async def test_a_symmetric_acquirer_gets_a_token_and_is_believed_under_it(symmetric):
    office = symmetric.office
    charge_id = await office.request()
    granted = (await symmetric.token()).json()
    assert granted["responseCode"] == "2007300"
    assert (granted["tokenType"], granted["expiresIn"]) == ("Bearer", "900")

    answer = await symmetric.notify(charge_id, granted["accessToken"])
    assert (answer.status_code, answer.json()) == (200, OK)
    assert (await office.charge(charge_id))["state"] == "paid"
    assert granted["accessToken"] not in repr(await office.rows("SELECT * FROM notifications"))


async def test_no_other_token_and_no_other_signature_is_believed(symmetric):
    office = symmetric.office
    charge_id = await office.request()
    token = (await symmetric.token()).json()["accessToken"]
    ends, nonce, seal = token.split(".")
    own_seal = hashlib.sha256(f"karcis-b2b-token|{ends}.{nonce}".encode()).hexdigest()
    forged_tokens = [
        "",
        "x",
        "..",
        token[:-1],
        f"{int(ends) + 3600}.{nonce}.{seal}",
        f"{ends}.{nonce}.{own_seal}",
        f"²{ends}.{nonce}.{seal}",
        await expired_token(office),
    ]
    for forged in forged_tokens:
        answer = await symmetric.notify(charge_id, forged)
        assert (answer.status_code, answer.json()["responseCode"]) == (401, "4015201"), forged
    rows = await office.rows("SELECT outcome FROM notifications")
    assert [row["outcome"] for row in rows] == ["bad-token"] * len(forged_tokens)

    no_header = await symmetric.notify(charge_id, token, authorization=None)
    assert no_header.json()["responseCode"] == "4015201"
    # A genuine token with the acquirer's RSA signature: the profile says HMAC.
    content = compact(office.voice.body(charge_id, CAR_RP, "A1"))
    signed = office.voice.headers(content, at=datetime.now(UTC), authorization=f"Bearer {token}")
    swapped = await symmetric.client.post(NOTIFY, content=content, headers=signed)
    assert swapped.json()["responseCode"] == "4015200"
    assert await office.count("money") == 0


async def expired_token(office: Office) -> str:
    then = datetime.now(UTC) - timedelta(minutes=16)
    headers = office.voice.token_headers(at=then)
    callback = Callback(httpx.Headers(headers), b'{"grantType":"client_credentials"}')
    return office.wired.inbox.listener.issue_token(callback, now=then).body["accessToken"]


async def test_a_token_is_given_only_for_the_acquirers_own_signature(symmetric):
    now = datetime.now(UTC)
    stranger = replace(symmetric.office.voice, key=OTHER_KEY)
    refusals: list[tuple[dict[str, Any], str]] = [
        ({"at": now - timedelta(minutes=6)}, "4017300"),
        ({"at": now + timedelta(minutes=6)}, "4017300"),
        ({"x_timestamp": "kemarin"}, "4007301"),
        ({"x_timestamp": ""}, "4007301"),
        ({"x_signature": ""}, "4017300"),
        ({"x_signature": "A" * 5_000}, "4017300"),
        ({"x_signature": stranger.token_headers(at=now)["X-SIGNATURE"], "at": now}, "4017300"),
        ({"x_client_key": "karcis-sandbox"}, "4017300"),
        ({"x_client_key": ""}, "4017300"),
        ({"content": b"{}"}, "4007302"),
        ({"content": b'{"grantType":"password"}'}, "4007302"),
        ({"content": b"[]"}, "4007300"),
        ({"content": b""}, "4007300"),
        ({"content": b"[" * 50_000}, "4007300"),
        ({"content": b"\xff"}, "4007300"),
        ({"content": b" " * (MAX_BODY + 10)}, "4007300"),
    ]
    for how, code in refusals:
        answer = await symmetric.token(**how)
        assert (answer.status_code, answer.json()["responseCode"]) == (int(code[:3]), code), how
        assert "accessToken" not in answer.json()

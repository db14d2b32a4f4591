"""Every fault the sandbox can be told to make: one table, read by the code, the page and the docs.

A fault is loaded with a count, optionally for one reference, and fires until the count is used up.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """`row` is the line of the test catalogue it serves; `unit` what its value counts, if any."""

    name: str
    group: str
    row: str
    indonesian: str
    english: str
    unit: str = ""
    default: float = 1


CALLS = {
    "token": ("Token (73)", "Token (73)"),
    "generate": ("Terbitkan kode (47)", "Generate (47)"),
    "decode": ("Baca kode (48)", "Decode (48)"),
    "query": ("Tanya status (51, 61)", "Query (51, 61)"),
    "cancel": ("Batalkan (77, 62)", "Cancel (77, 62)"),
    "refund": ("Kembalikan dana (78, 80)", "Refund (78, 80)"),
    "cpm_payment": ("Tagih kode pembayar (60)", "Charge the payer's code (60)"),
}
GROUPS = {
    **CALLS,
    "notification": ("Pemberitahuan", "Notifications"),
    "forgery": ("Pemberitahuan palsu", "Forged notifications"),
    "money": ("Uang dan status", "Money and status"),
}

_SECONDS, _COPIES = "seconds", "copies"

# What may happen to any call: suffix, catalogue row, both languages, unit, default.
_CALL_KINDS = (
    ("delay", "T14", "Menjawab terlambat", "Answers late", _SECONDS, 1),
    (
        "no_answer_before_booking",
        "T14",
        "Memutus sambungan sebelum membukukan",
        "Cuts the connection before booking",
        "",
        1,
    ),
    (
        "no_answer_after_booking",
        "T14",
        "Membukukan, lalu memutus sambungan",
        "Books, then cuts the connection",
        "",
        1,
    ),
    ("500", "T14", "Menjawab 500, tidak membukukan", "Answers 500, books nothing", "", 1),
    ("429", "T14", "Menjawab 429, tidak membukukan", "Answers 429, books nothing", "", 1),
    (
        "409_external_id",
        "T14",
        "Menjawab 409/00: X-EXTERNAL-ID sudah dipakai",
        "Answers 409/00: X-EXTERNAL-ID already used",
        "",
        1,
    ),
    (
        "409_reference",
        "T14",
        "Menjawab 409/01: nomor referensi sudah ada",
        "Answers 409/01: duplicate reference",
        "",
        1,
    ),
    ("504", "T14", "Menjawab 504, tidak membukukan", "Answers 504, books nothing", "", 1),
    (
        "504_after_booking",
        "T14",
        "Membukukan, lalu menjawab 504",
        "Books, then answers 504",
        "",
        1,
    ),
    (
        "slow_loris",
        "T14",
        "Meneteskan jawaban bita demi bita",
        "Drips its answer byte by byte",
        _SECONDS,
        10,
    ),
    ("truncated", "T14", "Jawaban terpotong di tengah", "Cuts its answer in half", "", 1),
    ("html", "T14", "Menjawab 200 dengan halaman HTML", "Answers 200 with an HTML page", "", 1),
    (
        "wrong_schema",
        "T14",
        "Jawaban sukses dengan bentuk isian yang salah",
        "Answers success with fields of the wrong shape",
        "",
        1,
    ),
)

_OTHERS = (
    Fault(
        "tokens_revoked",
        "token",
        "T14",
        "Mencabut semua token saat ini juga",
        "Revokes every token at once",
    ),
    Fault(
        "drop_notifications",
        "notification",
        "T12",
        "Satu pengiriman hilang di jalan",
        "One attempt is lost on the way",
    ),
    Fault(
        "late_notifications",
        "notification",
        "T12",
        "Pemberitahuan ditahan sekian detik",
        "The notification is held back",
        _SECONDS,
        1800,
    ),
    Fault(
        "doku_schedule",
        "notification",
        "T12",
        "Diulang menurut jadwal DOKU: +30 menit, +6 jam, +12 jam, lalu berhenti",
        "Repeated by DOKU's plan: +30 minutes, +6 hours, +12 hours, then never",
    ),
    Fault(
        "duplicate_notifications",
        "notification",
        "T11",
        "Dikirim sekali lagi setelah diterima",
        "Sent once more after it was acknowledged",
    ),
    Fault(
        "concurrent_notifications",
        "notification",
        "T11",
        "Salinan tambahan dikirim bersamaan",
        "Further copies sent at the same moment",
        _COPIES,
        1,
    ),
    Fault(
        "reorder_notifications",
        "notification",
        "T12",
        "Menunggu sampai pemberitahuan lain terkirim, paling lama sekian detik",
        "Waits until another notification was sent, this long at most",
        _SECONDS,
        60,
    ),
    Fault(
        "notify_before_answer",
        "notification",
        "T12",
        "Dibayar dan diberitahukan sebelum jawaban terbit kode; menunggu paling lama sekian detik",
        "Paid and notified before generate is answered; waits this long at most",
        _SECONDS,
        2,
    ),
    Fault(
        "notify_after_refund",
        "notification",
        "T19",
        "Pemberitahuan bayar baru dikirim setelah dana dikembalikan",
        "The payment is notified only after its refund",
    ),
    Fault(
        "notify_without_paid_time",
        "notification",
        "T12",
        "Waktu bayar tidak disebut",
        "The time of payment is left out",
    ),
    Fault(
        "notify_bad_signature",
        "forgery",
        "T13",
        "Tanda tangan untuk teks lain",
        "Signature over another text",
    ),
    Fault(
        "notify_altered_byte",
        "forgery",
        "T13",
        "Satu bita isi diubah setelah ditandatangani",
        "One byte of the body altered after signing",
    ),
    Fault(
        "notify_reserialised",
        "forgery",
        "T13",
        "JSON ditulis ulang dengan urutan kunci lain setelah ditandatangani",
        "JSON written anew with other key order after signing",
    ),
    Fault(
        "notify_old_timestamp",
        "forgery",
        "T13",
        "Ditandatangani sah dengan waktu lampau",
        "Validly signed with a time in the past",
        _SECONDS,
        360,
    ),
    Fault(
        "notify_future_timestamp",
        "forgery",
        "T13",
        "Ditandatangani sah dengan waktu yang akan datang",
        "Validly signed with a time in the future",
        _SECONDS,
        360,
    ),
    Fault(
        "notify_replayed_external_id",
        "forgery",
        "T13",
        "X-EXTERNAL-ID milik pengiriman sebelumnya",
        "X-EXTERNAL-ID of the attempt before",
    ),
    Fault(
        "notify_swapped_algorithm",
        "forgery",
        "T13",
        "HMAC dengan kunci publik sebagai rahasia, bukan RSA",
        "HMAC with the public key as secret instead of RSA",
    ),
    Fault(
        "notify_other_merchant",
        "forgery",
        "T13",
        "Ditandatangani sah untuk pedagang lain",
        "Validly signed for another merchant",
    ),
    Fault(
        "notify_wrong_amount",
        "forgery",
        "T13",
        "Nominal diberitahukan lebih satu rupiah",
        "Tells one rupiah too much",
    ),
    Fault(
        "notify_amount_less",
        "forgery",
        "T13",
        "Nominal diberitahukan kurang satu rupiah",
        "Tells one rupiah too little",
    ),
    Fault(
        "notify_other_currency",
        "forgery",
        "T13",
        "Mata uang lain (USD)",
        "Another currency (USD)",
    ),
    Fault(
        "notify_unknown_reference",
        "forgery",
        "T13",
        "Nomor referensi yang tidak pernah dikirim",
        "A reference nobody ever sent",
    ),
    Fault(
        "notify_oversized",
        "forgery",
        "T13",
        "Isi lebih dari satu megabita",
        "A body of more than one megabyte",
    ),
    Fault(
        "notify_duplicate_keys",
        "forgery",
        "T13",
        "Kunci JSON ganda: nominal disebut dua kali",
        "Duplicate JSON keys: the amount is told twice",
    ),
    Fault(
        "query_not_found",
        "money",
        "T15",
        "Status menjawab tidak ditemukan",
        "Query says not found",
    ),
    Fault(
        "query_flapping",
        "money",
        "T15",
        "Status berganti-ganti: ada, tidak ditemukan, ada",
        "Query flaps: told, not found, told",
    ),
    Fault(
        "pay_twice",
        "money",
        "T15",
        "Pembayar membayar dua kali, dua RRN pada satu referensi",
        "The payer pays twice, two RRNs under one reference",
    ),
    Fault(
        "pay_twice_two_references",
        "money",
        "T15",
        "Pembayar membayar dua kali, pembayaran kedua dengan referensi acquirer lain",
        "The payer pays twice, the second under another acquirer reference",
    ),
    Fault(
        "pay_late",
        "money",
        "T17",
        "Uang masuk setelah kode kedaluwarsa",
        "The money comes after the code has expired",
    ),
    Fault("pay_one_more", "money", "T15", "Terbayar lebih satu rupiah", "One rupiah too much paid"),
    Fault(
        "pay_one_less",
        "money",
        "T15",
        "Terbayar kurang satu rupiah",
        "One rupiah too little paid",
    ),
    Fault(
        "cancel_lost",
        "money",
        "T18",
        "Pembatalan dijawab berhasil, kode tetap dapat dibayar",
        "Cancel is answered, the code stays payable",
    ),
    Fault(
        "refund_lost",
        "money",
        "T15",
        "Pengembalian dana dijawab berhasil, tidak pernah dibukukan",
        "Refund is answered, never booked",
    ),
)


def _table() -> dict[str, Fault]:
    of_calls = [
        Fault(f"{call}_{suffix}", call, row, indonesian, english, unit, default)
        for call in CALLS
        for suffix, row, indonesian, english, unit, default in _CALL_KINDS
    ]
    return {fault.name: fault for fault in (*of_calls, *_OTHERS)}


FAULTS = _table()

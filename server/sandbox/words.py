"""The words of the sandbox's pages, Bahasa Indonesia first, English beside."""

from datetime import datetime
from typing import Literal

Language = Literal["id", "en"]

_MONTHS = {
    "id": "Januari Februari Maret April Mei Juni Juli Agustus September Oktober November Desember",
    "en": "January February March April May June July August September October November December",
}

WORDS: dict[str, tuple[str, str]] = {
    "title": ("Dompet Sandbox", "Sandbox Wallet"),
    "no_money": (
        "Sandbox: tidak ada uang sungguhan yang berpindah.",
        "Sandbox: no real money moves.",
    ),
    "about_title": ("Apa ini?", "What is this?"),
    "about": (
        "Dompet tiruan untuk mencoba pembayaran parkir. Hanya kode QRIS dari sandbox ini yang "
        "dapat dibayar di sini; nama bank, dompet, dan pembayar semuanya rekaan.",
        "A make-believe wallet for trying parking payments. Only QRIS codes issued by this sandbox "
        "can be paid here; every bank, wallet and payer name is invented.",
    ),
    "step_1": ("Baca kode QRIS", "Read the QRIS code"),
    "step_2": ("Periksa nama dan nominal", "Check the name and the amount"),
    "step_3": ("Bayar, atau coba hasil lain", "Pay, or try another outcome"),
    "skip": ("Langsung ke isi", "Skip to content"),
    "language": ("English", "Indonesia"),
    "read_title": ("Bayar dengan QRIS", "Pay with QRIS"),
    "camera": ("Kamera", "Camera"),
    "camera_start": ("Pindai dengan kamera", "Scan with the camera"),
    "camera_stop": ("Matikan kamera", "Stop the camera"),
    "camera_looking": ("Arahkan kamera ke kode QRIS…", "Point the camera at the QRIS code…"),
    "camera_denied": (
        "Kamera tidak dapat dipakai. Unggah gambar atau tempel teks kode.",
        "The camera cannot be used. Upload a picture or paste the code's text.",
    ),
    "picture": ("Gambar kode QRIS", "Picture of the QRIS code"),
    "picture_hint": (
        "Foto atau tangkapan layar, paling besar 10 MB",
        "Photo or screenshot, 10 MB at most",
    ),
    "picture_read": ("Baca gambar", "Read the picture"),
    "paste": ("Teks kode QRIS", "Text of the QRIS code"),
    "paste_hint": ("Diawali 000201", "Starts with 000201"),
    "paste_read": ("Periksa kode", "Check the code"),
    "pay_to": ("Bayar ke", "Pay to"),
    "amount": ("Nominal", "Amount"),
    "no_amount": ("Tanpa nominal", "No amount"),
    "city": ("Kota", "City"),
    "nmid": ("NMID", "NMID"),
    "order": ("Nomor tagihan", "Bill number"),
    "expires": ("Berlaku sampai", "Valid until"),
    "warnings": ("Perhatian", "Warnings"),
    "pay": ("Bayar", "Pay"),
    "decline": ("Tolak", "Decline"),
    "late": ("Bayar terlambat", "Pay late"),
    "twice": ("Bayar dua kali", "Pay twice"),
    "second": ("Bayar sekali lagi", "Pay once more"),
    "other_outcomes": ("Coba hasil lain", "Try another outcome"),
    "late_hint": (
        "Bayar terlambat: uang dibukukan setelah kode kedaluwarsa.",
        "Pay late: the money is booked after the code has expired.",
    ),
    "twice_hint": (
        "Bayar dua kali: dua pembayaran dengan RRN berbeda.",
        "Pay twice: two payments with different RRNs.",
    ),
    "back": ("Baca kode lain", "Read another code"),
    "refresh": ("Segarkan", "Refresh"),
    "state_payable": ("Siap dibayar", "Ready to pay"),
    "state_declined": ("Pembayaran ditolak", "Payment declined"),
    "state_pending": ("Pembayaran diproses", "Payment pending"),
    "state_paid": ("Pembayaran berhasil", "Payment successful"),
    "state_refunded": ("Uang sudah dikembalikan", "The money was given back"),
    "state_expired": ("Kode sudah kedaluwarsa", "The code has expired"),
    "state_cancelled": ("Kode dibatalkan pedagang", "The merchant cancelled the code"),
    "state_foreign": ("Bukan kode dari sandbox ini", "Not a code of this sandbox"),
    "state_tampered": ("Kode telah diubah", "The code has been altered"),
    "note_payable": (
        "Periksa nama dan nominal sebelum membayar.",
        "Check the name and the amount before paying.",
    ),
    "note_declined": (
        "Penerbit menolak. Tidak ada uang yang berpindah; kode masih dapat dibayar.",
        "The issuer refused. No money moved; the code can still be paid.",
    ),
    "note_pending": (
        "Uang akan dibukukan setelah kode kedaluwarsa.",
        "The money will be booked after the code has expired.",
    ),
    "note_paid": ("Pedagang diberi tahu oleh acquirer.", "The acquirer tells the merchant."),
    "note_refunded": (
        "Pedagang mengembalikan seluruh pembayaran.",
        "The merchant gave the whole payment back.",
    ),
    "note_expired": (
        "Pembayaran biasa ditolak. Pilih bayar terlambat untuk mencoba uang yang datang telat.",
        "A normal payment is refused. Choose pay late to try money that comes too late.",
    ),
    "note_cancelled": (
        "Pembayaran biasa ditolak. Pilih bayar terlambat untuk mencoba uang yang tetap datang.",
        "A normal payment is refused. Choose pay late to try money that comes all the same.",
    ),
    "note_foreign": (
        "Kode ini sah, tetapi bukan terbitan sandbox ini, jadi tidak dapat dibayar di sini.",
        "The code is valid, but not one of this sandbox, so it cannot be paid here.",
    ),
    "note_tampered": (
        "Nomor tagihannya dikenal, tetapi isi kodenya bukan yang diterbitkan. Jangan dibayar.",
        "The bill number is known, but the code differs from the one issued. Do not pay it.",
    ),
    "rrn": ("RRN", "RRN"),
    "paid_at": ("Waktu bayar", "Paid at"),
    "payer": ("Pembayar", "Payer"),
    "issuer": ("Dompet", "Wallet"),
    "told": ("Pemberitahuan ke pedagang", "Merchant told"),
    "told_delivered": ("Sudah diterima", "Received"),
    "told_pending": ("Menunggu jawaban", "Waiting for an answer"),
    "told_given_up": ("Tidak terjawab", "Never answered"),
    "kind_late": ("Terlambat", "Late"),
    "kind_second": ("Pembayaran kedua", "Second payment"),
    "total": ("Jumlah uang yang berpindah", "Money moved in all"),
    "codes_title": ("Tunjukkan kode saya", "Show my code"),
    "codes_about": (
        "Kode pembayar: pedagang memindainya, lalu menagih. Sekali pakai, berlaku satu menit.",
        "The payer's code: the merchant scans it and charges it. Serves once, for one minute.",
    ),
    "codes_choose": ("Apa yang akan terjadi saat ditagih?", "What shall happen when charged?"),
    "codes_outcome": ("Saat ditagih", "When charged"),
    "codes_pay": ("Bayar", "Pays"),
    "codes_insufficient": ("Saldo tidak cukup", "Has too little money"),
    "codes_pending": ("Diproses 5 detik, lalu terbayar", "Pending for 5 seconds, then pays"),
    "codes_refuse": ("Ditolak penerbit", "Is refused by the issuer"),
    "codes_alt": ("Kode QR pembayar", "The payer's QR code"),
    "codes_text": ("Teks kode", "Text of the code"),
    "codes_new": ("Buat kode baru", "Make a new code"),
    "state_shown": ("Tunjukkan ke petugas", "Show this to the attendant"),
    "note_shown": (
        "Menunggu ditagih. Halaman ini memperbarui diri.",
        "Waiting to be charged. This page renews itself.",
    ),
    "board_title": ("Papan gangguan", "Fault board"),
    "board_about": (
        "Pilih apa yang akan salah di acquirer tiruan ini, berapa kali, dan untuk tagihan mana. "
        "Gangguan tersimpan sampai terjadi atau dimatikan.",
        "Choose what goes wrong at this make-believe acquirer, how often, and for which bill. "
        "A fault stays loaded until it has happened or is cleared.",
    ),
    "board_now": ("Sekarang", "Now"),
    "board_armed": ("Terpasang", "Loaded"),
    "board_fired": ("Sudah terjadi", "Happened so far"),
    "board_loaded": ("terpasang", "loaded"),
    "board_happened": ("terjadi", "happened"),
    "board_clock": ("Jam acquirer", "Acquirer's clock"),
    "board_none": ("Tidak ada gangguan terpasang.", "No fault is loaded."),
    "board_clear": ("Matikan semua gangguan", "Clear all faults"),
    "board_offset": ("Geser jam (detik)", "Move the clock (seconds)"),
    "board_offset_hint": (
        "0 = jam sebenarnya; 900 = lima belas menit lebih cepat",
        "0 = the real time; 900 = fifteen minutes ahead",
    ),
    "board_set": ("Geser", "Move"),
    "board_switches": ("Gangguan", "Faults"),
    "board_times": ("Berapa kali", "How often"),
    "board_seconds": ("Detik", "Seconds"),
    "board_value": ("Detik atau salinan", "Seconds or copies"),
    "board_value_own": ("bawaan", "its own"),
    "board_reference": ("Hanya untuk referensi", "For this reference only"),
    "board_reference_any": ("semua tagihan", "every bill"),
    "board_arm": ("Pasang yang dicentang", "Load what is ticked"),
    "board_orders": ("Tagihan terakhir", "Recent bills"),
    "board_no_orders": ("Belum ada tagihan.", "No bills yet."),
    "board_payments": ("pembayaran", "payments"),
    "board_returned": ("dikembalikan", "given back"),
    "unit_seconds": ("detik", "seconds"),
    "unit_copies": ("salinan", "copies"),
    "error_no_barcode": (
        "Tidak ada kode QR yang terbaca di gambar itu. Coba lebih dekat dan lebih terang.",
        "No QR code could be read in that picture. Try closer and with more light.",
    ),
    "error_no_text": (
        "Tempel teks kode atau pilih gambar.",
        "Paste the code's text or choose a picture.",
    ),
    "error_too_large": ("Berkas terlalu besar.", "The file is too large."),
    "error_bad_request": ("Permintaan tidak dapat dibaca.", "The request could not be read."),
    "error_bad_outcome": (
        "outcome harus pay, decline, late, atau twice; delay_s 0 sampai 86400.",
        "outcome must be pay, decline, late or twice; delay_s 0 to 86400.",
    ),
    "error_bad_consumer": (
        "outcome harus pay, insufficient, pending, atau refuse; delay_s 0 sampai 86400; "
        "validity_s lebih dari 0 sampai 3600.",
        "outcome must be pay, insufficient, pending or refuse; delay_s 0 to 86400; "
        "validity_s above 0 to 3600.",
    ),
    "error_no_code": ("Kode itu tidak ada.", "There is no such code."),
    "error_not_found": ("Tagihan tidak ditemukan.", "There is no such bill."),
}


def word(key: str, language: Language) -> str:
    return WORDS[key][language == "en"]


def rupiah(amount_rp: int) -> str:
    return f"Rp\u00a0{amount_rp:,}".replace(",", ".")


def when(moment: datetime, language: Language) -> str:
    """`21 November 2026, 14.05.33 WIB`, or with colons in English."""
    month = _MONTHS[language].split()[moment.month - 1]
    clock = moment.strftime("%H.%M.%S" if language == "id" else "%H:%M:%S")
    return f"{moment.day} {month} {moment.year}, {clock} {moment.tzname()}"

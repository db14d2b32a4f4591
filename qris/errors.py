"""What can be wrong with a payload: one stable code each, one exception, one record.

A reader raises what must be rejected and lists the rest in `.warnings`; the strict writer refuses
both, except notices: things the standards allow, or that payloads in daily use need."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple


def _both(indonesian: str, english: str) -> Mapping[str, str]:
    return MappingProxyType({"id": indonesian, "en": english})


ERROR_CODES: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        # The text as a whole
        "text-too-long": _both(
            "Teks lebih panjang daripada yang muat dalam satu kode QR.",
            "The text is longer than one QR code can carry.",
        ),
        "text-not-unicode": _both(
            "Teks memuat karakter rusak yang tidak dapat ditulis sebagai UTF-8.",
            "The text holds broken characters that UTF-8 cannot carry.",
        ),
        "not-emv": _both(
            "Ini bukan kode pembayaran EMVCo: teks tidak diawali 000201.",
            "This is not an EMVCo payment code: the text does not start with 000201.",
        ),
        "not-qris": _both(
            "Kode pembayaran ini bukan QRIS: negara bukan ID atau mata uang bukan 360.",
            "This payment code is not QRIS: the country is not ID or the currency is not 360.",
        ),
        # Structure
        "malformed-tlv": _both(
            "Susunan tag, panjang, dan isi rusak atau terpotong.",
            "The tag, length and value structure is broken or cut short.",
        ),
        "duplicate-tag": _both("Satu tag muncul dua kali.", "A tag occurs twice."),
        "crc-missing": _both(
            "CRC (tag 63) tidak ada di akhir teks.",
            "The CRC (tag 63) is not at the end of the text.",
        ),
        "crc-mismatch": _both(
            "CRC tidak cocok: kode rusak, salah baca, atau diubah.",
            "The CRC does not match: the code is damaged, misread or altered.",
        ),
        "missing-tag": _both("Tag wajib tidak ada.", "A mandatory tag is missing."),
        "missing-account": _both(
            "Tidak ada rekening merchant (tag 02-51).",
            "There is no merchant account (tags 02-51).",
        ),
        # Values that make a payload unusable
        "bad-format": _both(
            "Isi tag tidak sesuai bentuk yang ditetapkan.",
            "The value of the tag does not have its prescribed form.",
        ),
        "value-too-long": _both(
            "Isi tag melebihi panjang yang diizinkan.",
            "The value of the tag is longer than allowed.",
        ),
        "amount-format": _both(
            "Nominal harus angka dengan paling banyak satu titik, paling panjang 13 karakter.",
            "The amount must be digits with at most one point, at most 13 characters.",
        ),
        "amount-zero": _both("Nominal tidak boleh nol.", "The amount must not be zero."),
        "fee-format": _both(
            "Biaya tambahan (tag 56 atau 57) tidak sah.",
            "The convenience fee (tag 56 or 57) is not valid.",
        ),
        "fee-mismatch": _both(
            "Tag biaya (56, 57) tidak sesuai dengan penanda tip (55).",
            "The fee tags (56, 57) do not agree with the tip indicator (55).",
        ),
        # Breaches a reader survives and the writer refuses
        "text-over-512": _both(
            "Teks melebihi 512 karakter.", "The text is longer than 512 characters."
        ),
        "control-character": _both(
            "Isi memuat karakter kendali atau pembalik arah tulisan.",
            "A value holds control characters or reverses the direction of writing.",
        ),
        "pipe-character": _both(
            "Karakter | tidak boleh dipakai di tag ini.",
            "The character | must not occur in this tag.",
        ),
        "missing-postal-code": _both(
            "Kode pos (tag 61) wajib untuk Indonesia.",
            "The postal code (tag 61) is mandatory in Indonesia.",
        ),
        "missing-national-account": _both(
            "QR statis tanpa akun nasional (tag 51).",
            "A static code without the national account (tag 51).",
        ),
        "missing-subtag": _both(
            "Sub-tag wajib tidak ada.", "A mandatory tag inside a template is missing."
        ),
        "pan-format": _both(
            "PAN merchant harus angka, paling panjang 19.",
            "The merchant PAN must be digits, at most 19.",
        ),
        "pan-not-national": _both(
            "PAN merchant tidak diawali 9360 (NNS).",
            "The merchant PAN does not start with 9360 (NNS).",
        ),
        "criteria-unknown": _both(
            "Kriteria merchant tidak dikenal.", "The merchant criteria is unknown."
        ),
        "amount-decimals": _both(
            "Nominal memakai lebih dari dua angka desimal.",
            "The amount has more than two decimals.",
        ),
        # Notices: allowed, or unavoidable with payloads in daily use
        "empty-value": _both("Tag ada tetapi isinya kosong.", "A tag is present but empty."),
        "opaque-template": _both(
            "Templat sistem lain tanpa GUID; isinya disimpan apa adanya.",
            "A template of another payment system has no GUID; its value is kept as it is.",
        ),
        "tags-not-ascending": _both(
            "Urutan tag tidak menaik (diperbolehkan).",
            "The tags are not in ascending order (allowed).",
        ),
        "nmid-format": _both(
            "NMID tidak berbentuk ID diikuti 13 angka.", "The NMID is not ID followed by 13 digits."
        ),
        "character-set": _both(
            "Isi memuat huruf di luar ASCII; QR perlu menyatakan UTF-8 (ECI 26).",
            "A value holds letters beyond ASCII; the QR code should declare UTF-8 (ECI 26).",
        ),
        "static-with-amount": _both(
            "QR statis dengan nominal tetap.", "A static code with a fixed amount."
        ),
        "dynamic-without-amount": _both(
            "QR dinamis tanpa nominal.", "A dynamic code without an amount."
        ),
        "transfer": _both(
            "Transfer ke orang atau rekening (tag 40 atau MCC 4829), bukan pembayaran belanja.",
            "A transfer to a person or account (tag 40 or MCC 4829), not a purchase.",
        ),
        # Writing
        "not-representable": _both(
            "Data ini tidak dapat ditulis sehingga terbaca kembali sama persis.",
            "This data cannot be written so that it reads back the same.",
        ),
        # Consumer presented
        "not-cpm": _both(
            "Ini bukan QR yang ditunjukkan pembayar: teks tidak diawali hQVDUFY.",
            "This is not a code shown by a payer: the text does not start with hQVDUFY.",
        ),
        "bad-base64": _both("Base64 rusak.", "The base64 is broken."),
        "malformed-ber": _both(
            "Susunan BER-TLV rusak atau terpotong.",
            "The BER-TLV structure is broken or cut short.",
        ),
        "missing-pan": _both(
            "Tidak ada nomor kartu (5A) atau data track 2 (57).",
            "There is no card number (5A) and no track 2 data (57).",
        ),
        "value-length": _both(
            "Panjang isi objek di luar batas yang ditetapkan.",
            "The length of the object is outside its prescribed bounds.",
        ),
        "raw-length": _both(
            "Panjang di atas 127 ditulis satu byte, bukan menurut BER.",
            "Lengths above 127 are written as one byte, not as BER requires.",
        ),
        "foreign-application": _both(
            "Aplikasi ini bukan QRIS (AID lain).", "The application is not QRIS (another AID)."
        ),
    }
)

NOTICES: Final = frozenset(
    {
        "empty-value",
        "opaque-template",
        "tags-not-ascending",
        "nmid-format",
        "character-set",
        "static-with-amount",
        "dynamic-without-amount",
        "transfer",
        "foreign-application",
    }
)


class Finding(NamedTuple):
    """Something accepted that deserves attention.

    `path` names the tag ("62.07", "5A"; empty for the whole text). `detail` never quotes a value,
    so that a finding may be logged.
    """

    code: str
    path: str = ""
    detail: str = ""

    @property
    def is_notice(self) -> bool:
        """Whether this is no breach of the standards, or one that daily use has made harmless."""
        return self.code in NOTICES

    def __str__(self) -> str:
        return _sentence(self.code, self.path, self.detail)


class QrisError(ValueError):
    """A payload that must not be read or written.

    `code` is a key of `ERROR_CODES`; `path` and `detail` are as in `Finding`; `warnings` holds what
    else was noticed before the payload was given up.
    """

    def __init__(
        self, code: str, path: str = "", detail: str = "", warnings: tuple[Finding, ...] = ()
    ) -> None:
        super().__init__(code, path, detail, warnings)
        self.code = code
        self.path = path
        self.detail = detail
        self.warnings = warnings

    def __str__(self) -> str:
        return _sentence(self.code, self.path, self.detail)


def _sentence(code: str, path: str, detail: str) -> str:
    where = ", ".join(part for part in (path and f"tag {path}", detail) if part)
    return f"{code}: {ERROR_CODES[code]['en']}" + (f" ({where})" if where else "")

"""What the handheld says aloud of a charge, spelled so that no voice can misread it."""

from collections.abc import Mapping
from typing import Any

from attendant_app.messages import text

ONES = ("nol", "satu", "dua", "tiga", "empat", "lima", "enam", "tujuh", "delapan", "sembilan")
DIGITS = {"id": ONES, "en": tuple("0123456789")}
# The largest first; one of each but the million and beyond is `se-`.
UNITS = (
    (1_000_000_000, "miliar"),
    (1_000_000, "juta"),
    (1_000, "ribu"),
    (100, "ratus"),
    (10, "puluh"),
)


def in_words(number: int) -> str:
    """A whole number in Bahasa Indonesia: 12500 is `dua belas ribu lima ratus`."""
    if number < 10:
        return ONES[number]
    if number == 11:
        return "sebelas"
    if 11 < number < 20:
        return f"{ONES[number - 10]} belas"
    size, unit = next((size, unit) for size, unit in UNITS if number >= size)
    count, rest = divmod(number, size)
    head = f"se{unit}" if count == 1 and size <= 1_000 else f"{in_words(count)} {unit}"
    return f"{head} {in_words(rest)}" if rest else head


def rupiah(amount_rp: int, language: str) -> str:
    number = in_words(amount_rp) if language == "id" else str(amount_rp)
    return f"{number} rupiah"


def of_charge(facts: Mapping[str, Any], language: str) -> str:
    """One sentence of a charge's result; nothing while the driver may simply pay it."""
    look, amount_rp = facts["look"], facts["amount_rp"]
    if look in ("payable", "unsure"):
        return ""
    verdict = text(facts["how"].words, language)
    amount = rupiah(amount_rp, language) if amount_rp is not None else ""
    if look == "paid":
        code = " ".join(DIGITS[language][int(digit)] for digit in facts["code"] or "")
        return text("say-paid", language, amount=amount, code=code)
    if look == "cash":
        return text("say-cash", language, amount=amount)
    if look == "held":
        return text("say-held", language, amount=amount)
    if look == "voucher":
        return text("say-voucher", language)
    if look == "refund":
        return f"{verdict}, {amount}."
    return text("say-unpaid", language, verdict=verdict)

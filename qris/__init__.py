"""QRIS and EMVCo payment codes: read tolerantly, write strictly, compare, explain.

`parse` and `encode` are for codes merchants present, `qris.consumer` for those payers present.
Pure functions over text: no clock, no network, no image."""

from qris import consumer
from qris.consumer import CardData, ConsumerPayload
from qris.errors import ERROR_CODES, NOTICES, Finding, QrisError
from qris.explain import Explanation, Row, Verdict, explain
from qris.merchant import (
    AdditionalData,
    Initiation,
    LanguageTemplate,
    MerchantAccount,
    QrisPayload,
    Tip,
    dynamic,
    encode,
    parse,
    static,
)
from qris.registry import Difference, Field, Registration, compare
from qris.rules import Criteria

__all__ = [
    "ERROR_CODES",
    "NOTICES",
    "AdditionalData",
    "CardData",
    "ConsumerPayload",
    "Criteria",
    "Difference",
    "Explanation",
    "Field",
    "Finding",
    "Initiation",
    "LanguageTemplate",
    "MerchantAccount",
    "QrisError",
    "QrisPayload",
    "Registration",
    "Row",
    "Tip",
    "Verdict",
    "compare",
    "consumer",
    "dynamic",
    "encode",
    "explain",
    "parse",
    "static",
]

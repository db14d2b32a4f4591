"""Merchant-presented payloads (EMVCo MPM, QRIS profile): a tolerant reader and a strict writer.

Values stay text as written, so that reading back gives the same payload; properties turn them
into rupiah, criteria and account numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from qris import rules, tlv
from qris.errors import Finding, QrisError
from qris.rules import Criteria

NATIONAL_GUID: Final = "ID.CO.QRIS.WWW"


class Initiation(StrEnum):
    """Point of initiation (tag 01): a code for many payments, or for one."""

    STATIC = "11"
    DYNAMIC = "12"


class Tip(StrEnum):
    """Tip indicator (tag 55): ask the payer, add a fixed fee (56), add a percentage (57)."""

    PROMPT = "01"
    FIXED = "02"
    PERCENT = "03"


@dataclass(frozen=True, slots=True, kw_only=True)
class MerchantAccount:
    """One account template, tag 26-51. In tag 51 `merchant_id` is the NMID and there is no PAN.

    In tag 40 (QRIS transfer) `pan` is a customer's card and `merchant_id` the beneficiary.
    `others` keeps further sub-tags as (tag, value).
    """

    tag: str
    guid: str | None = None
    pan: str | None = None
    merchant_id: str | None = None
    criteria: str | None = None
    others: tlv.Elements = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "others", tuple(sorted(self.others)))

    @property
    def nns(self) -> str | None:
        """The 8 digits naming the acquirer (9360 and its code), None without a national PAN."""
        pan = self.pan or ""
        national = tlv.is_digits(pan[:8]) and pan.startswith(rules.NATIONAL_PREFIX)
        return pan[:8] if national and len(pan) >= 8 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class AdditionalData:
    """Additional data (tag 62). The value `***` tells the payer's app to ask for it.

    `others` keeps reserved sub-tags (12-49) and payment-system templates (50-99) as (tag, value).
    """

    bill_number: str | None = None
    mobile_number: str | None = None
    store_label: str | None = None
    loyalty_number: str | None = None
    reference_label: str | None = None
    customer_label: str | None = None
    terminal_label: str | None = None
    purpose: str | None = None
    consumer_data_request: str | None = None
    merchant_tax_id: str | None = None
    merchant_channel: str | None = None
    others: tlv.Elements = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "others", tuple(sorted(self.others)))

    @property
    def prompts(self) -> tuple[str, ...]:
        """Names of the fields that the payer's app must ask for."""
        return tuple(name for name in _ADDITIONAL.values() if getattr(self, name) == rules.PROMPT)


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageTemplate:
    """The merchant's name and city in another language (tag 64)."""

    language: str | None = None
    name: str | None = None
    city: str | None = None
    others: tlv.Elements = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "others", tuple(sorted(self.others)))


@dataclass(frozen=True, slots=True, kw_only=True)
class QrisPayload:
    """A merchant-presented payload; country ID and currency 360 go without saying.

    `amount` and the fees are text as in tags 54, 56 and 57. `others` keeps the root tags this
    profile does not take apart (02-25, 65-99) as (tag, value). `warnings` says how the text was
    read and does not count when payloads are compared.
    """

    accounts: tuple[MerchantAccount, ...]
    mcc: str
    name: str
    city: str
    postal_code: str | None = None
    initiation: Initiation | None = None
    amount: str | None = None
    tip: Tip | None = None
    fixed_fee: str | None = None
    percent_fee: str | None = None
    additional: AdditionalData | None = None
    language: LanguageTemplate | None = None
    others: tlv.Elements = ()
    warnings: tuple[Finding, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        by_tag = sorted(self.accounts, key=lambda account: account.tag)
        object.__setattr__(self, "accounts", tuple(by_tag))
        object.__setattr__(self, "others", tuple(sorted(self.others)))

    @property
    def amount_rp(self) -> int | None:
        """The amount in whole rupiah; None if absent or not whole (look at `amount` to tell)."""
        return rupiah(self.amount)

    @property
    def fixed_fee_rp(self) -> int | None:
        """The fixed fee in whole rupiah; None if absent or not whole."""
        return rupiah(self.fixed_fee)

    @property
    def is_dynamic(self) -> bool:
        """Whether the code says it is for one payment. Some are printed and reused nevertheless."""
        return self.initiation == Initiation.DYNAMIC

    @property
    def is_transfer(self) -> bool:
        """Whether paying sends money to a person or account (QRIS TTS) instead of buying."""
        tags = (account.tag for account in self.accounts)
        return self.mcc == rules.TRANSFER_MCC or rules.TRANSFER_TAG in tags

    @property
    def national(self) -> MerchantAccount | None:
        """The national account, tag 51."""
        return next((a for a in self.accounts if a.tag == rules.NATIONAL_TAG), None)

    @property
    def acquirers(self) -> tuple[MerchantAccount, ...]:
        """The account templates other than the national one."""
        return tuple(a for a in self.accounts if a.tag != rules.NATIONAL_TAG)

    @property
    def nmid(self) -> str | None:
        """The national merchant id, 51.02."""
        return self.national.merchant_id if self.national else None

    @property
    def pan(self) -> str | None:
        """The merchant PAN of the first account that has one."""
        return next((a.pan for a in self.acquirers if a.pan), None)

    @property
    def criteria(self) -> Criteria | None:
        """The merchant's criteria, tag 51 before the others; None if the code is unknown.

        Nothing written means REGULAR, as issuers treat it (QRIS).
        """
        ordered = (*((self.national,) if self.national else ()), *self.acquirers)
        written = next((a.criteria for a in ordered if a.criteria), Criteria.REGULAR.value)
        return Criteria(written) if written in rules.CRITERIA else None


_ACCOUNT: Final = {"00": "guid", "01": "pan", "02": "merchant_id", "03": "criteria"}
_LANGUAGE: Final = {"00": "language", "01": "name", "02": "city"}
_ADDITIONAL: Final = {
    "01": "bill_number",
    "02": "mobile_number",
    "03": "store_label",
    "04": "loyalty_number",
    "05": "reference_label",
    "06": "customer_label",
    "07": "terminal_label",
    "08": "purpose",
    "09": "consumer_data_request",
    "10": "merchant_tax_id",
    "11": "merchant_channel",
}
_ROOT: Final = frozenset({"00", "01", *map(str, range(52, 65))})


def parse(text: str) -> QrisPayload:
    """Return the payload that the text of a QR code holds, with `.warnings` for its blemishes.

    Raises QrisError: structure, CRC, a missing or impossible value; `not-qris` if the payload is
    sound but of another country or currency (EMVCo MPM 4, QRIS profile); TypeError if not a str.
    """
    if not isinstance(text, str):
        raise TypeError("a payload is a str")
    tlv.to_bytes(text)
    # EMVCo MPM 4.7.1: the payload format indicator is first and its value is 01.
    if not text.startswith("000201"):
        raise QrisError("not-emv")
    root = tlv.read(text)
    _check_crc(text, root)
    templates = {
        tag: tlv.read(value, tag)
        for tag, value in root.items()
        if rules.is_account_template(tag) or tag in ("62", "64")
    }
    warnings = tuple(rules.findings(text, root, templates))
    for breach in rules.breaches(root):
        raise QrisError(breach.code, breach.path, breach.detail, warnings)
    # An empty value says nothing: from here on it is as absent as it was meant to be.
    filled = {tag: _filled(tags) for tag, tags in templates.items()}
    return _payload(_filled(root), filled, warnings)


def _filled(tags: Mapping[str, str]) -> dict[str, str]:
    return {tag: value for tag, value in tags.items() if value}


def _check_crc(text: str, root: dict[str, str]) -> None:
    # EMVCo MPM 4.7.3: last of all, length 04; over everything before its value.
    if next(reversed(root)) != "63" or len(root["63"]) != 4:
        raise QrisError("crc-missing", "63")
    # Compared as written: lower-case digits would be a change that goes unnoticed.
    if root["63"] != tlv.crc(text[:-4]):
        raise QrisError("crc-mismatch", "63")


def _payload(
    root: Mapping[str, str],
    templates: Mapping[str, Mapping[str, str]],
    warnings: tuple[Finding, ...],
) -> QrisPayload:
    return QrisPayload(
        accounts=tuple(
            MerchantAccount(tag=tag, **_fields(_ACCOUNT, tags), others=_others(_ACCOUNT, tags))
            for tag, tags in templates.items()
            if rules.is_account_template(tag)
        ),
        mcc=root["52"],
        name=root["59"],
        city=root["60"],
        postal_code=root.get("61"),
        initiation=Initiation(root["01"]) if "01" in root else None,
        amount=root.get("54"),
        tip=Tip(root["55"]) if "55" in root else None,
        fixed_fee=root.get("56"),
        percent_fee=root.get("57"),
        additional=_additional(templates["62"]) if templates.get("62") else None,
        language=_language(templates["64"]) if templates.get("64") else None,
        others=tuple(
            (tag, value)
            for tag, value in root.items()
            if tag not in _ROOT and not rules.is_account_template(tag)
        ),
        warnings=warnings,
    )


def _additional(tags: Mapping[str, str]) -> AdditionalData:
    return AdditionalData(**_fields(_ADDITIONAL, tags), others=_others(_ADDITIONAL, tags))


def _language(tags: Mapping[str, str]) -> LanguageTemplate:
    return LanguageTemplate(**_fields(_LANGUAGE, tags), others=_others(_LANGUAGE, tags))


def _fields(names: Mapping[str, str], tags: Mapping[str, str]) -> dict[str, str]:
    return {name: tags[tag] for tag, name in names.items() if tag in tags}


def _others(names: Mapping[str, str], tags: Mapping[str, str]) -> tlv.Elements:
    return tuple((tag, value) for tag, value in tags.items() if tag not in names)


def encode(payload: QrisPayload) -> str:
    """Return the text of `payload`: ascending tags, the CRC last, `parse` gives back an equal one.

    Raises QrisError for whatever the standards forbid, including what `parse` survives with a
    warning; only notices (`qris.NOTICES`) pass.
    """
    body = tlv.write(_elements(payload))
    # Ascending order would put the CRC before 64; it is last by rule (EMVCo MPM 4.7.3).
    text = f"{body}6304"
    text += tlv.crc(text)
    # One rule book: the writer reads what it wrote, and takes the reader's warnings as refusals.
    read_back = parse(text)
    for finding in read_back.warnings:
        if not finding.is_notice:
            raise QrisError(finding.code, finding.path, finding.detail, read_back.warnings)
    if read_back != payload:
        raise QrisError("not-representable")
    return text


def _elements(payload: QrisPayload) -> list[tuple[str, str | None]]:
    accounts = [
        (account.tag, _template(account.tag, _ACCOUNT, account)) for account in payload.accounts
    ]
    additional, language = payload.additional, payload.language
    return [
        ("00", "01"),
        ("01", payload.initiation),
        *accounts,
        ("52", payload.mcc),
        ("53", rules.CURRENCY),
        ("54", payload.amount),
        ("55", payload.tip),
        ("56", payload.fixed_fee),
        ("57", payload.percent_fee),
        ("58", rules.COUNTRY),
        ("59", payload.name),
        ("60", payload.city),
        ("61", payload.postal_code),
        ("62", _template("62", _ADDITIONAL, additional) if additional else None),
        ("64", _template("64", _LANGUAGE, language) if language else None),
        *payload.others,
    ]


def _template(
    path: str,
    names: Mapping[str, str],
    source: MerchantAccount | AdditionalData | LanguageTemplate,
) -> str:
    named = [(tag, getattr(source, name)) for tag, name in names.items()]
    return tlv.write([*named, *source.others], path)


def rupiah(amount: str | None) -> int | None:
    """Return an amount as in tag 54 in whole rupiah; None if absent, malformed or not whole."""
    if amount is None or not rules.AMOUNT.fullmatch(amount):
        return None
    whole, _, decimals = amount.partition(".")
    return None if decimals.strip("0") else int(whole)


def static(
    *,
    nmid: str,
    acquirer_guid: str,
    pan: str,
    merchant_id: str,
    criteria: Criteria,
    mcc: str,
    name: str,
    city: str,
    postal_code: str,
    terminal_label: str = "A01",
) -> QrisPayload:
    """Return a merchant's own code without an amount, as printed on a sticker.

    `pan` is the 18 or 19 digit merchant PAN, `terminal_label` 62.07. Nothing is checked before
    `encode`.
    """
    acquirer = MerchantAccount(
        tag="26", guid=acquirer_guid, pan=pan, merchant_id=merchant_id, criteria=criteria.value
    )
    national = MerchantAccount(
        tag=rules.NATIONAL_TAG, guid=NATIONAL_GUID, merchant_id=nmid, criteria=criteria.value
    )
    return QrisPayload(
        accounts=(acquirer, national),
        mcc=mcc,
        name=name,
        city=city,
        postal_code=postal_code,
        initiation=Initiation.STATIC,
        additional=AdditionalData(terminal_label=terminal_label),
    )


def dynamic(
    merchant: QrisPayload, *, amount_rp: int, bill_number: str, terminal_label: str = "A01"
) -> QrisPayload:
    """Return a code for one payment of `amount_rp` whole rupiah to the merchant of `merchant`.

    Bill number and terminal go to 62.01 and 62.07; tips and fees of `merchant` are dropped.
    QRIS puts no expiry into a payload: it lives with the acquirer. Raises QrisError
    `amount-format` unless `amount_rp` is an int, `amount-zero` unless it is positive.
    """
    if type(amount_rp) is not int:
        raise QrisError("amount-format", "54", "whole rupiah as int")
    if amount_rp <= 0:
        raise QrisError("amount-zero", "54", "not positive")
    return replace(
        merchant,
        initiation=Initiation.DYNAMIC,
        amount=str(amount_rp),
        tip=None,
        fixed_fee=None,
        percent_fee=None,
        additional=AdditionalData(bill_number=bill_number, terminal_label=terminal_label),
        warnings=(),
    )

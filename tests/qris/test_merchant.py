from dataclasses import replace
from typing import Any

import pytest

import qris
from qris import AdditionalData, LanguageTemplate, MerchantAccount, QrisError, tlv
from tests.qris.samples import PAYLOADS, STATIC, TEXTS, seal
from tests.qris.test_tlv import bitwise_crc

ACCEPTED = [s for s in PAYLOADS if s["code"] is None]
REFUSED = [s for s in PAYLOADS if s["code"] is not None]


def named(samples: list[dict[str, Any]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("sample", samples, ids=[s["name"] for s in samples])


@named(ACCEPTED)
def test_fixture_is_accepted(sample: dict[str, Any]) -> None:
    payload = qris.parse(sample["text"])
    assert sorted(finding.code for finding in payload.warnings) == sample["warnings"]
    assert sample["text"].endswith(bitwise_crc(sample["text"][:-4]))


@named(REFUSED)
def test_fixture_is_refused(sample: dict[str, Any]) -> None:
    with pytest.raises(QrisError) as caught:
        qris.parse(sample["text"])
    assert caught.value.code == sample["code"]


@named(ACCEPTED)
def test_fixture_is_written_back_or_refused_for_its_breach(sample: dict[str, Any]) -> None:
    payload = qris.parse(sample["text"])
    if sample["verdict"] == "valid":
        assert qris.parse(qris.encode(payload)) == payload
    else:
        with pytest.raises(QrisError) as caught:
            qris.encode(payload)
        assert caught.value.code in sample["warnings"]


def test_fixtures_cover_each_verdict() -> None:
    assert {s["verdict"] for s in PAYLOADS} == {"valid", "warning", "not-qris", "invalid"}


def test_every_field_is_read() -> None:
    payload = qris.parse(TEXTS["dynamic"])
    assert payload.nmid == "ID1020999000111"
    assert payload.pan == "936000990000012345"
    assert payload.criteria is qris.Criteria.PUBLIC_SERVICE_AGENCY
    assert (payload.mcc, payload.name, payload.city) == ("7523", "PARKIR KAB CONTOH", "CONTOH KOTA")
    assert payload.postal_code == "61299"
    assert payload.is_dynamic
    assert payload.amount_rp == 2000
    assert payload.additional == AdditionalData(bill_number="KRC-0001", terminal_label="HP07")
    assert payload.acquirers[0].guid == "ID.CO.CONTOH.WWW"
    assert payload.acquirers[0].merchant_id == "PKR000012345"
    assert payload.acquirers[0].nns == "93600099"
    assert payload.national is not None
    assert payload.national.guid == "ID.CO.QRIS.WWW"
    assert payload.national.nns is None
    assert not payload.is_transfer
    assert payload.warnings == ()


def test_static_and_dynamic_are_what_a_hand_wrote() -> None:
    assert qris.encode(STATIC) == TEXTS["static"]
    ours = qris.dynamic(STATIC, amount_rp=2000, bill_number="KRC-0001", terminal_label="HP07")
    assert qris.encode(ours) == TEXTS["dynamic"]


def test_dynamic_drops_tips_and_the_sticker_s_own_data() -> None:
    tipping = replace(
        STATIC,
        tip=qris.Tip.FIXED,
        fixed_fee="500",
        percent_fee="1",
        additional=AdditionalData(store_label="LAMA"),
    )
    ours = qris.dynamic(tipping, amount_rp=3000, bill_number="B1")
    assert (ours.tip, ours.fixed_fee, ours.percent_fee) == (None, None, None)
    assert ours.additional == AdditionalData(bill_number="B1", terminal_label="A01")
    tags = [tag for tag, _, _ in tlv.walk(qris.encode(ours))]
    assert tags == sorted(tags)


@pytest.mark.parametrize(
    ("amount_rp", "code"),
    [(0, "amount-zero"), (-1, "amount-zero"), (True, "amount-format"), (2000.0, "amount-format")],
)
def test_dynamic_wants_positive_whole_rupiah(amount_rp: Any, code: str) -> None:
    with pytest.raises(QrisError) as caught:
        qris.dynamic(STATIC, amount_rp=amount_rp, bill_number="B1")
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("amount", "amount_rp"),
    [
        ("98", 98),
        ("98.", 98),
        ("98.0", 98),
        ("98.00", 98),
        ("0098", 98),
        ("98.73", None),
        ("0.5", None),
        ("x", None),
        ("", None),
        (None, None),
        ("9999999999999", 9_999_999_999_999),
    ],
)
def test_amount_in_rupiah(amount: str | None, amount_rp: int | None) -> None:
    assert replace(STATIC, amount=amount).amount_rp == amount_rp
    assert replace(STATIC, fixed_fee=amount).fixed_fee_rp == amount_rp


def test_the_text_of_an_amount_is_kept() -> None:
    payload = qris.parse(TEXTS["amount-point"])
    assert (payload.amount, payload.amount_rp) == ("2000.", 2000)
    assert "54052000." in qris.encode(payload)


@pytest.mark.parametrize("name", ["name-country", "name-crc", "name-static", "name-amount"])
def test_names_that_look_like_tags_survive_a_new_amount(name: str) -> None:
    payload = qris.parse(TEXTS[name])
    ours = qris.parse(qris.encode(qris.dynamic(payload, amount_rp=5000, bill_number="B1")))
    assert ours.name == payload.name
    assert ours.amount_rp == 5000


def test_language_reserved_and_unreserved_tags_are_kept() -> None:
    assert qris.parse(TEXTS["language"]).language == LanguageTemplate(
        language="ja", name="駐車場", city="見本"
    )
    others = dict(qris.parse(TEXTS["unreserved-and-reserved"]).others)
    assert others == {"65": "future", "80": "0017ID.CO.CONTOH.POIN0101x"}
    assert qris.parse(TEXTS["card-account"]).others == (("04", "4111222233334444"),)


def test_the_crc_stands_last_even_after_a_higher_tag() -> None:
    text = qris.encode(qris.parse(TEXTS["unreserved-and-reserved"]))
    assert [tag for tag, _, _ in tlv.walk(text)][-3:] == ["65", "80", "63"]


def test_an_empty_value_is_as_good_as_absent() -> None:
    payload = qris.parse(TEXTS["empty-terminal"])
    assert payload.additional is None
    assert payload.warnings == (qris.Finding("empty-value", "62.07"),)


@pytest.mark.parametrize("name", ["transfer", "transfer-mcc"])
def test_a_transfer_is_told_from_a_purchase(name: str) -> None:
    assert qris.parse(TEXTS[name]).is_transfer


def test_prompts_name_what_the_app_must_ask() -> None:
    additional = qris.parse(TEXTS["prompt-value"]).additional
    assert additional is not None
    assert additional.prompts == ("bill_number",)


def test_criteria_default_and_unknown() -> None:
    bare = tuple(replace(account, criteria=None) for account in STATIC.accounts)
    assert replace(STATIC, accounts=bare).criteria is qris.Criteria.REGULAR
    odd = tuple(replace(account, criteria="XXX") for account in STATIC.accounts)
    assert replace(STATIC, accounts=odd).criteria is None


def test_a_payload_without_accounts_has_no_numbers() -> None:
    empty = replace(STATIC, accounts=())
    assert (empty.nmid, empty.pan, empty.national) == (None, None, None)


@pytest.mark.parametrize(
    "pan", [None, "", "9360", "9360009", "123456789", "9360x0990", "９３６０0099"]
)
def test_nns_needs_a_national_pan(pan: str | None) -> None:
    assert MerchantAccount(tag="26", pan=pan).nns is None


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"name": "P" * 26}, "value-too-long"),
        ({"city": "K" * 16}, "value-too-long"),
        ({"postal_code": "1" * 11}, "value-too-long"),
        ({"name": ""}, "empty-value"),
        ({"postal_code": None}, "missing-postal-code"),
        ({"mcc": "75a3"}, "bad-format"),
        ({"mcc": "٧٥٢٣"}, "bad-format"),
        ({"amount": "0"}, "amount-zero"),
        ({"amount": "1,5"}, "amount-format"),
        ({"tip": qris.Tip.FIXED}, "fee-mismatch"),
        ({"tip": qris.Tip.PERCENT, "percent_fee": "0.00"}, "fee-format"),
        ({"tip": qris.Tip.PERCENT, "percent_fee": "123.4"}, "fee-format"),
        ({"accounts": ()}, "missing-account"),
        ({"accounts": (MerchantAccount(tag="52", guid="x"),)}, "duplicate-tag"),
        ({"accounts": (MerchantAccount(tag="65", guid="x"),)}, "missing-account"),
        ({"additional": AdditionalData()}, "empty-value"),
        ({"additional": AdditionalData(bill_number="B" * 96)}, "value-too-long"),
        ({"additional": AdditionalData(bill_number="B" * 50, purpose="P" * 50)}, "value-too-long"),
        ({"language": LanguageTemplate(language="jav", name="x")}, "value-too-long"),
        ({"others": (("59", "LAIN"),)}, "duplicate-tag"),
        ({"others": (("54", "2000"),)}, "not-representable"),
        ({"others": (("63", "ABCD"),)}, "duplicate-tag"),
        ({"others": (("6", "x"),)}, "bad-format"),
        ({"name": "A\x00B"}, "control-character"),
        ({"name": "A\ud800"}, "text-not-unicode"),
        ({"others": tuple((str(tag), "x" * 99) for tag in range(65, 70))}, "text-over-512"),
    ],
)
def test_the_writer_refuses(change: dict[str, Any], code: str) -> None:
    with pytest.raises(QrisError) as caught:
        qris.encode(replace(STATIC, **change))
    assert caught.value.code == code


@pytest.mark.parametrize("longest", ["P" * 25, "X"])
def test_the_writer_takes_names_up_to_the_bound(longest: str) -> None:
    assert qris.parse(qris.encode(replace(STATIC, name=longest))).name == longest


@pytest.mark.parametrize(
    ("tag", "value", "path"),
    [
        ("00", "G" * 33, "26.00"),
        ("01", "9360" + "0" * 16, "26.01"),
        ("02", "M" * 16, "26.02"),
        ("03", "BLUE", "26.03"),
    ],
)
def test_bounds_inside_an_account(tag: str, value: str, path: str) -> None:
    names = {"00": "guid", "01": "pan", "02": "merchant_id", "03": "criteria"}
    change: dict[str, Any] = {names[tag]: value}
    acquirer = MerchantAccount(
        tag="26", guid="G", pan="936000990000012345", merchant_id="M", criteria="BLU"
    )
    odd = replace(acquirer, **change)
    with pytest.raises(QrisError) as caught:
        qris.encode(replace(STATIC, accounts=(odd, STATIC.accounts[1])))
    assert (caught.value.code, caught.value.path) == ("value-too-long", path)


def test_pipes_in_accounts_and_country_are_warned_of() -> None:
    piped = replace(STATIC.accounts[0], merchant_id="PKR|1")
    with pytest.raises(QrisError) as caught:
        qris.encode(replace(STATIC, accounts=(piped, STATIC.accounts[1])))
    assert (caught.value.code, caught.value.path) == ("pipe-character", "26.02")


def test_the_longest_text_without_a_warning() -> None:
    room = 512 - len(qris.encode(STATIC))
    fillers = [room // 4 - 4] * 3 + [room - room // 4 * 3 - 4]
    others = tuple((str(65 + n), "x" * length) for n, length in enumerate(fillers))
    assert len(qris.encode(replace(STATIC, others=others))) == 512
    with pytest.raises(QrisError) as caught:
        qris.encode(replace(STATIC, others=(*others[:-1], ("79", "x" * (fillers[-1] + 1)))))
    assert (caught.value.code, caught.value.detail) == ("text-over-512", "513 characters")


def test_another_format_version_is_not_emv() -> None:
    with pytest.raises(QrisError) as caught:
        qris.parse(seal("000202" + TEXTS["static"][6:]))
    assert caught.value.code == "not-emv"


def test_the_order_of_accounts_and_others_does_not_matter() -> None:
    turned = replace(STATIC, accounts=STATIC.accounts[::-1])
    assert turned == STATIC
    assert AdditionalData(others=(("60", "a"), ("50", "b"))).others == (("50", "b"), ("60", "a"))


def test_warnings_do_not_count_in_comparison() -> None:
    assert qris.parse(TEXTS["currency-after-additional"]) == qris.parse(TEXTS["dynamic"])


def test_a_sealed_forgery_parses() -> None:
    # The CRC is no security: whoever changes the amount can compute it anew.
    forged = seal(TEXTS["dynamic"].replace("54042000", "54049000"))
    assert qris.parse(forged).amount_rp == 9000


def test_every_truncation_is_refused() -> None:
    text = TEXTS["dynamic"]
    for length in range(len(text)):
        with pytest.raises(QrisError):
            qris.parse(text[:length])


@pytest.mark.parametrize("tail", [" ", "\n", "\x00", "0", "6304ABCD", "0000"])
def test_nothing_may_follow_the_crc(tail: str) -> None:
    with pytest.raises(QrisError):
        qris.parse(TEXTS["static"] + tail)


def test_other_types_are_a_programming_error() -> None:
    with pytest.raises(TypeError):
        qris.parse(b"000201")  # type: ignore[arg-type]


def test_warnings_travel_with_an_error() -> None:
    foreign = seal(TEXTS["no-postal-code"].replace("5802ID", "5802SG"))
    with pytest.raises(QrisError) as caught:
        qris.parse(foreign)
    assert caught.value.code == "not-qris"
    assert caught.value.warnings == (qris.Finding("missing-postal-code", "61"),)

from qris import rules


def codes(**changes: str | None) -> list[tuple[str, str]]:
    root = {"00": "01", "26": "x", "52": "7523", "53": "360", "58": "ID", "59": "A", "60": "B"}
    for tag, value in changes.items():
        root.pop(tag[1:], None)
        if value is not None:
            root[tag[1:]] = value
    return [(finding.code, finding.path) for finding in rules.breaches(root)]


def test_a_sound_root_has_no_breach() -> None:
    assert codes() == []


def test_all_breaches_are_listed_the_foreign_country_last() -> None:
    assert codes(_60=None, _54="0", _58="SG", _53="702") == [
        ("missing-tag", "60"),
        ("amount-zero", "54"),
        ("not-qris", "58"),
        ("not-qris", "53"),
    ]


def test_missing_tags_do_not_stop_the_list() -> None:
    assert ("missing-tag", "58") in codes(_58=None, _53=None)


def test_a_primitive_account_is_an_account() -> None:
    assert codes(_26=None, _02="4111222233334444") == []
    assert codes(_26=None) == [("missing-account", "")]
    assert codes(_26="") == [("missing-account", "")]


def test_fee_pairs() -> None:
    assert codes(_55="01") == []
    assert codes(_55="02", _56="500") == []
    assert codes(_55="03", _57="99.99") == []
    assert codes(_55="03", _57="00.01") == []
    assert codes(_55="02", _57="5") == [("fee-mismatch", "56"), ("fee-mismatch", "57")]
    assert codes(_55="03", _57=".5") == [("fee-format", "57")]
    assert codes(_55="03", _57="1.234") == [("fee-format", "57")]
    assert codes(_55="02", _56="1e3") == [("fee-format", "56")]


def test_numbers_take_no_newline_or_foreign_digit() -> None:
    assert codes(_52="7523\n") == [("bad-format", "52")]
    assert codes(_54="2000\n") == [("amount-format", "54")]
    assert codes(_54="٢٠٠٠") == [("amount-format", "54")]
    assert codes(_55="04") == [("bad-format", "55")]


def test_templates_are_26_to_51() -> None:
    assert [t for t in ("25", "26", "51", "52") if rules.is_account_template(t)] == ["26", "51"]

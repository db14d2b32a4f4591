import json

import pytest

from printer import Document, DocumentError, Feed, Image, Qr, Text
from tests.printer.samples import SLIPS


@pytest.mark.parametrize("slip", SLIPS.values(), ids=SLIPS)
def test_json_reads_back_to_an_equal_document(slip):
    assert Document.from_json(slip().to_json()) == slip()


def test_defaults_are_left_out_of_the_json():
    entry = json.loads(Document((Text("A"),)).to_json())["items"][0]
    assert entry == {"type": "text", "text": "A"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", 'list "items"'),
        ('{"items": 3}', 'list "items"'),
        ('{"items": [], "title": "A"}', "no member 'title'"),
        ('{"items": [4]}', r"items\[0\]: an item is an object"),
        ('{"items": [{}]}', "type is one of"),
        ('{"items": [{"type": ["text"]}]}', "type is one of"),
        ('{"items": [{"type": "barcode"}]}', "type is one of"),
        ('{"items": [{"type": "text"}]}', "text needs text"),
        ('{"items": [{"type": "text", "text": 5}]}', "text is of type str, not int"),
        ('{"items": [{"type": "text", "text": "a", "width": 3}]}', "width is one of 1, 2"),
        ('{"items": [{"type": "text", "text": "a", "width": true}]}', "width is one of 1, 2"),
        ('{"items": [{"type": "text", "text": "a", "colour": 1}]}', "no member 'colour'"),
        ('{"items": [{"type": "cut"}, {"type": "feed", "lines": 0}]}', r"items\[1\]: a feed"),
        ('{"items": [{"type": "image", "png": "§"}]}', "not base64"),
        ('{"items": [{"type": "image", "png": 4}]}', "not base64"),
        ('{"items": [{"type": "qr", "data": ""}]}', "empty"),
        (r'{"items": [{"type": "qr", "data": "a\u001b@"}]}', "control characters"),
        (r'{"items": [{"type": "qr", "data": "\ud800"}]}', "not valid Unicode"),
        ('{"items": [{"type": "qr", "data": "a", "ec": "X"}]}', "ec is one of"),
        ('{"items": [{"type": "qr", "data": "a", "max_module_dots": 40}]}', "4 to 16"),
    ],
)
def test_wrong_json_says_what_is_wrong(text, message):
    with pytest.raises(DocumentError, match=message):
        Document.from_json(text)


def test_items_refuse_what_no_printer_can_do():
    with pytest.raises(DocumentError):
        Feed(256)
    with pytest.raises(DocumentError):
        Qr("a\n")


def test_an_image_does_not_spill_its_bytes_into_messages():
    assert "png" not in repr(Image(b"x" * 10_000))

import pytest
import segno

from printer import DocumentError, QrTooWide, qr


@pytest.mark.parametrize("ec", ["L", "M", "Q", "H"])
def test_the_capacity_table_agrees_with_segno_at_every_step(ec):
    for version in range(1, 41):
        capacity = qr._CAPACITY[ec][version - 1]
        side = 17 + 4 * version
        made = segno.make_qr(b"\xff" * capacity, error=ec, boost_error=False, mask=0)
        assert len(made.matrix) == side == qr.modules_at_most(capacity, ec)
        if version < 40:
            assert qr.modules_at_most(capacity + 1, ec) == side + 4


def test_more_than_the_largest_symbol_holds_is_an_error():
    with pytest.raises(DocumentError, match="2331 bytes at most"):
        qr.modules_at_most(2332, "M")


def test_modules_shrink_until_the_symbol_fits_and_no_further():
    assert qr.module_dots(41, 6, 384) == 6
    assert qr.module_dots(69, 6, 384) == 4
    with pytest.raises(QrTooWide) as caught:
        qr.module_dots(89, 6, 384)
    assert (caught.value.needed_dots, caught.value.available_dots) == (388, 384)


def test_the_raster_carries_its_quiet_zone():
    data, width_bytes = qr.raster(qr.matrix("A", "M"), 5)  # 29 modules x 5 = 145 dots
    rows = [data[i : i + width_bytes] for i in range(0, len(data), width_bytes)]
    assert width_bytes == 19
    assert len(rows) == 145
    bits = [bin(int.from_bytes(row, "big"))[2:].zfill(152) for row in rows]
    assert all("1" not in row for row in bits[:20] + bits[-20:])
    assert all("1" not in row[:20] + row[-20:] for row in bits)
    assert bits[20][23:58] == "1" * 35  # the finder's upper edge: 7 modules

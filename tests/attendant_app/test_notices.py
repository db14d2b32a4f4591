"""A notice on a real handheld: photos first, then a number, paper, and the office, once each."""

import hashlib
import io
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import cv2
import numpy as np
import pytest
import zxingcpp
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from domain import notice
from printer.interpreter import interpret
from printer.profiles import profile
from tests.attendant_app.builders import OTHER_SPOT, SITE, SPOT
from tests.attendant_app.conftest import Device, Paper
from tests.attendant_app.office import Office, until

UNKNOWN = "0198f000-0000-7000-8000-00000000dead"


def taken(shade: int = 90) -> bytes:
    """A photo as a phone takes it: on its side, with what the camera writes into it."""
    exif = Image.Exif()
    exif[271], exif[274] = "Kamera Contoh", 6
    noise = np.random.default_rng(shade).integers(0, 255, (3000, 4000), np.uint8)
    out = io.BytesIO()
    Image.fromarray(cv2.GaussianBlur(noise, (31, 31), 9)).convert("RGB").save(
        out, "JPEG", quality=90, exif=exif
    )
    return out.getvalue()


PHOTO = taken()


def check(device: Device, text: str = "KH 9 Z") -> dict[str, str]:
    """Look a vehicle up; what the button of its result would send."""
    device.http.get(f"/spots/{SPOT}")
    page = device.http.post("/checks/vehicles", data={"text": text}).text
    return dict(re.findall(r'name="(check|plate)" value="([^"]*)"', page))


def draft(device: Device, text: str = "KH 9 Z") -> str:
    answer = device.http.post("/notices", data=check(device, text))
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def snap(device: Device, path: str, data: bytes = PHOTO) -> Any:
    return device.http.post(f"{path}/photos", files={"image": ("foto.jpg", data)})


def issue(device: Device, path: str, vehicle_class: str = "car") -> str:
    answer = device.http.post(f"{path}/issue", data={"vehicle_class": vehicle_class})
    assert answer.status_code == 303, answer.text
    return device.http.get(path).text


def issued(office: Office) -> list[dict[str, Any]]:
    return [e["body"] for e in office.events if e["kind"] == "notice_issued"]


def read(job: bytes) -> Any:
    (slip,) = interpret(job, profile("generic-58-qr"))
    return slip


def codes_on(picture: Image.Image) -> list[str]:
    """What a phone reads off the paper, from the top."""
    grey = np.asarray(picture.convert("L").resize((picture.width * 2, picture.height * 2)))
    found = zxingcpp.read_barcodes(grey, zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode))
    return [code.text for code in sorted(found, key=lambda code: code.position.top_left.y)]


def test_a_notice_made_without_a_network_is_on_paper_at_once_and_at_the_office_once(
    device: Device, office: Office, paper: Paper
) -> None:
    device.sign_in()
    device.http.get(f"/spots/{SPOT}")
    device.http.get("/checks/vehicles")  # the list comes, and nobody stands there rightly
    office.stop()
    until(lambda: not device.status()["online"])
    path = draft(device)
    assert device.http.post(f"{path}/issue", data={"vehicle_class": "car"}).status_code == 409
    assert snap(device, path).status_code == 303
    page = issue(device, path)
    assert "TERBIT" in page
    issue(device, path)  # a second tap
    until(lambda: len(paper.jobs) == 1)
    slip = read(paper.jobs[0])
    number = re.search(r"SP-\w{8}-0001-\w", page)
    assert number is not None
    text = "\n".join(slip.text)
    for due in (
        "PEMBERITAHUAN",
        "BUKAN DENDA",
        number[0],
        "KH 9",
        "Mobil",
        SPOT,
        "Belum ada pembayaran",
        "Rp5.000",
        "Foto bukti",
        "Keberatan sampai",
        "0800-0000-000",
        "Perda 1/2024",
    ):
        assert due in text, due
    assert "SALINAN" not in text
    pay, proof = codes_on(slip.image)
    assert pay == f"{SITE}/p/{SPOT}"
    keys = {of: [key] for of, key in ((notice.series(d), k) for d, k in office.devices.items())}
    facts = notice.verify(proof, SITE, keys)
    assert (facts.number, facts.spot_code, facts.amount_rp) == (number[0], SPOT, 5000)
    with pytest.raises(notice.NoticeError, match="forged"):
        notice.verify(proof.replace(".5000.", ".9000."), SITE, keys)

    assert "menunggu dikirim" in page
    device.kill()  # the battery is taken out with the photo still here
    device.start()
    assert "menunggu dikirim" in device.http.get(path).text
    office.lose_answers = 1
    office.start()
    until(lambda: "sudah di kantor" in device.http.get(path).text)
    [body] = issued(office)
    assert body["photos"] == list(office.photos)
    [(sha256, jpeg)] = office.photos.items()
    assert hashlib.sha256(jpeg).hexdigest() == sha256
    with Image.open(io.BytesIO(jpeg)) as kept:
        assert isinstance(kept, JpegImageFile)
        assert max(kept.size) == notice.PHOTO_SIDE
        assert kept.size[0] < kept.size[1], "not turned upright"
        assert {name for name, _ in kept.applist} == {"APP0"}
    assert body["plate"] == "KH 9••• Z"
    assert device.http.get(f"{path}/photos/1.jpg").status_code == 404
    assert device.status()["unsynced"] == 0

    device.http.post(f"/slips/notice/{path.rpartition('/')[2]}")
    until(lambda: len(paper.jobs) == 2)
    assert "SALINAN KE-1" in "\n".join(read(paper.jobs[1]).text)
    for text, words in ((proof, "SUDAH ADA PEMBERITAHUAN"), (proof[:-9], "PALSU")):
        assert words in device.http.post("/checks/vehicles", data={"text": text}).text
    until(lambda: [e["body"]["result"] for e in office.events[-2:]] == ["noticed", "forged"])


def test_a_draft_survives_a_kill_and_a_photo_may_be_taken_back(
    device: Device, office: Office, paper: Paper
) -> None:
    device.sign_in()
    check(device)
    path = draft(device)
    snap(device, path)
    snap(device, path)  # the same picture is one
    snap(device, path, taken(91))
    device.kill()
    device.start()
    assert device.http.get(f"{path}/photos/2.jpg").headers["content-type"] == "image/jpeg"
    assert device.http.post(f"{path}/photos/1/remove").status_code == 303
    assert device.http.get(f"{path}/photos/1.jpg").status_code == 404
    for shade in (92, 93, 94):
        assert snap(device, path, taken(shade)).status_code == 303
    assert "sudah cukup" in snap(device, path, taken(95)).text
    assert "bukan gambar" in snap(device, path, b"bukan foto, sungguh").text
    page = issue(device, path, "motorcycle")
    assert "Rp2.000" in page
    assert snap(device, path, taken(96)).status_code == 409
    assert device.http.post(f"{path}/discard").status_code == 409
    until(lambda: len(office.photos) == 4)
    other = draft(device, "KH 8 Y")
    snap(device, other, taken(97))
    assert device.http.post(f"{other}/discard").status_code == 303
    assert device.http.get(other).status_code == 404
    assert len(issued(office)) == 1


def test_without_a_printer_it_is_recorded_and_printed_later(
    device: Device, office: Office, paper: Paper
) -> None:
    paper.paper_out = True
    device.sign_in()
    check(device)
    path = draft(device)
    snap(device, path)
    issue(device, path)
    until(lambda: len(issued(office)) == 1)
    until(lambda: "Kertas habis" in device.http.get(path).text)
    paper.paper_out = False
    device.http.post(f"/slips/notice/{path.rpartition('/')[2]}")
    until(lambda: len(paper.jobs) == 1)
    assert "SALINAN" not in "\n".join(read(paper.jobs[0]).text)


def test_a_refused_photo_stays_here_flagged(device: Device, office: Office, paper: Paper) -> None:
    office.refuse_photos = "photo-mismatch"
    device.sign_in()
    check(device)
    path = draft(device)
    snap(device, path)
    issue(device, path)
    until(lambda: "kantor menolaknya" in device.http.get(path).text)
    assert device.http.get(f"{path}/photos/1.jpg").status_code == 200
    assert device.status()["quarantined"] == 1


def test_time_that_was_paid_for_is_not_asked_for_twice(
    device: Device, office: Office, paper: Paper
) -> None:
    """A truck by the hour: one hour was paid, it stands in its third."""
    now = datetime.now(UTC)
    began = now - timedelta(hours=2, minutes=30)
    over = {
        "id": UNKNOWN,
        "plate": None,
        "spot_code": SPOT,
        "vehicle_class": "truck",
        "started_at": began.isoformat(),
        "until": (began + timedelta(hours=1)).isoformat(),
        "paid": True,
        "receipts": [],
    }
    office.live_stays = [over]
    device.sign_in()
    path = draft(device, "")
    snap(device, path)
    assert 'value="truck" required checked' in device.http.get(path).text
    assert "Rp10.000" in issue(device, path, "truck")  # 10.000 + 5.000 + 5.000, less 10.000
    until(lambda: len(paper.jobs) == 1)
    assert "Waktu parkir habis sejak" in "\n".join(read(paper.jobs[0]).text)


def test_what_needs_no_notice_gets_none(device: Device, office: Office) -> None:
    office.live_stays = [
        {
            "id": UNKNOWN,
            "plate": None,
            "spot_code": OTHER_SPOT,
            "vehicle_class": "car",
            "started_at": datetime.now(UTC).isoformat(),
            "until": (datetime.now(UTC) - timedelta(minutes=1)).isoformat(),
            "paid": True,
            "receipts": ["MTG-2026-000007-8"],
        }
    ]
    device.sign_in()
    device.http.get(f"/spots/{OTHER_SPOT}")
    page = device.http.post("/checks/vehicles", data={"text": ""}).text
    assert "BARU HABIS" in page
    assert "/notices" not in page
    seq = max((e["seq"] for e in office.events), default=1)
    for number, status in (("x", 422), (str(seq), 409), ("999", 409), ("9" * 30, 422)):
        answer = device.http.post("/notices", data={"check": number})
        assert answer.status_code == status
    for path in (f"/notices/{UNKNOWN}", f"/slips/notice/{UNKNOWN}"):
        method = "GET" if path.startswith("/notices") else "POST"
        assert device.http.request(method, path).status_code == 404

"""Passes and exempt vehicles on the device: facts of the journal, with nobody to ask."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from domain import covered
from domain.covered import Pass, serial
from domain.proof import Seal
from domain.tariff import VehicleClass
from tests.attendant_app.builders import SPOT
from tests.attendant_app.conftest import Device
from tests.attendant_app.office import Office, until

TODAY = datetime.now(UTC).date()
DAY = timedelta(days=2)
AMBULANCE = {
    "code": "ambulans", "picture": "ambulance", "vehicle_class": "car", "label_id": "Ambulans",
    "label_en": "Ambulance", "regulation": "Perda 1/2024 ps. 9", "valid_from": "2020-01-01",
    "valid_until": None,
}  # fmt: skip


def take(device: Device, text: str, vehicle: str = "car", stay_id: str = "") -> Any:
    form = {"id": stay_id or str(uuid4()), "spot": SPOT, "vehicle_class": vehicle, "pass": text}
    return device.http.post("/passes", data=form)


def facts(office: Office, kind: str) -> list[dict[str, Any]]:
    return [event["body"] for event in office.events if event["kind"] == kind]


def test_a_pass_covers_a_stay_offline_and_the_office_learns_of_it_once(
    device: Device, office: Office
) -> None:
    device.sign_in()
    office.stop()
    until(lambda: not device.status()["online"])
    stay_id = str(uuid4())
    for _ in range(2):
        answer = take(device, office.pass_(), stay_id=stay_id)
        assert answer.headers["location"] == f"/stays/free/{stay_id}"
    page = device.http.get(f"/stays/free/{stay_id}").text
    assert "is-paid" in page
    assert serial(1) in page
    office.start()
    until(lambda: facts(office, "stay_covered"))
    (fact,) = facts(office, "stay_covered")
    assert (fact["stay_id"], fact["pass"], fact["vehicle_class"]) == (stay_id, serial(1), "car")
    assert "KH" not in str(fact), "a plate never goes into a fact"


def test_each_pass_that_does_not_hold_is_named_with_its_dates(
    device: Device, office: Office
) -> None:
    office.revoked_passes = [serial(9)]
    device.sign_in()
    stranger = Seal(Ed25519PrivateKey.generate())
    foreign = covered.sign(stranger, Pass(serial(1), (VehicleClass.CAR,), (), TODAY, TODAY))
    mixed = office.pass_().split("."), office.pass_(zones=()).split(".")
    for words, text in (
        ("LANGGANAN HABIS", office.pass_(valid_until=TODAY - DAY)),
        ("BELUM BERLAKU", office.pass_(valid_from=TODAY + DAY)),
        ("ZONA LAIN", office.pass_(zones=("RSU",))),
        ("DICABUT KANTOR", office.pass_(serial=serial(9))),
        ("BELUM TERVERIFIKASI", foreign),
        ("LANGGANAN PALSU", ".".join((*mixed[0][:2], mixed[1][2]))),
    ):
        page = device.http.post("/scan", data={"text": text, "spot": SPOT}).text
        assert words in page
        assert take(device, text).status_code == 409
    expired = device.http.post(
        "/scan", data={"text": office.pass_(valid_until=TODAY - DAY), "spot": SPOT}
    ).text
    assert f"{TODAY - DAY:%d-%m-%Y}" in expired
    assert take(device, office.pass_(), "motorcycle").status_code == 409
    assert facts(office, "stay_covered") == []


def test_an_exempt_vehicle_is_recorded_and_never_green(device: Device, office: Office) -> None:
    office.exemptions = [AMBULANCE, AMBULANCE | {"code": "lama", "valid_until": "2021-01-01"}]
    device.sign_in()
    assert f"/spots/{SPOT}/free" in device.http.get(f"/spots/{SPOT}").text
    page = device.http.get(f"/spots/{SPOT}/free").text
    assert "Ambulans" in page
    assert 'value="lama"' not in page
    stay_id = str(uuid4())
    for _ in range(2):
        form = {"id": stay_id, "exemption": "ambulans"}
        answer = device.http.post(f"/spots/{SPOT}/free", data=form)
        assert answer.headers["location"] == f"/stays/free/{stay_id}"
    page = device.http.get(f"/stays/free/{stay_id}").text
    assert "Perda 1/2024 ps. 9" in page
    assert "is-paid" not in page
    until(lambda: facts(office, "stay_exempted"))
    (fact,) = facts(office, "stay_exempted")
    assert (fact["exemption"], fact["spot"]) == ("ambulans", SPOT)
    for code in ("lama", "roket"):
        form = {"id": str(uuid4()), "exemption": code}
        assert device.http.post(f"/spots/{SPOT}/free", data=form).status_code == 422

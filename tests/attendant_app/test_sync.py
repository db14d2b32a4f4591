"""The handheld's process against an office on a real socket that is killed, slow or wrong."""

from typing import Any

from attendant_app.sync import WATCHED_AT_ONCE
from tests.attendant_app.builders import SPOT
from tests.attendant_app.conftest import Device, Paper
from tests.attendant_app.office import Office, until


def test_a_charge_is_issued_paid_and_printed(device: Device, office: Office, paper: Paper) -> None:
    device.sign_in()
    charge = device.charge(SPOT, plate="DA 1234 AB")
    assert (charge["state"], charge["amount_rp"], charge["sync"]) == ("issued", 2000, "sent")
    assert charge["qris"].startswith("000201")
    assert charge["code"] == "4821"

    office.pay(charge["id"])
    until(lambda: device.get(f"/api/charges/{charge['id']}")["state"] == "paid")
    until(lambda: device.get(f"/api/charges/{charge['id']}/print")["state"] == "PRINTED")
    assert len(paper.jobs) == 1
    assert b"LUNAS" in paper.jobs[0]
    kinds = ["shift_opened", "charge_requested", "receipt_printed"]
    until(lambda: [event["kind"] for event in office.events] == kinds)
    assert "DA 1234 AB" not in str(office.events)
    assert "123456" not in device.log()


def test_a_lost_answer_is_asked_for_again_with_the_same_id(device: Device, office: Office) -> None:
    device.sign_in()
    office.lose_answers = 2
    charge = device.charge(SPOT)
    until(lambda: device.get(f"/api/charges/{charge['id']}")["qris"])
    assert len(office.charges) == 1
    assert office.posts == [charge["id"]] * 3


def test_an_office_that_dies_and_returns_loses_nothing(device: Device, office: Office) -> None:
    device.sign_in()
    before = device.charge(SPOT)
    office.stop()
    until(lambda: not device.status()["online"])
    during = [device.charge(SPOT, "car") for _ in range(3)]
    assert all(charge["sync"] == "waiting" for charge in during)
    assert all(charge["amount_rp"] == 5000 for charge in during)
    assert device.status()["unsynced"] >= 3
    assert device.status()["oldest_unsynced_s"] is not None
    assert device.close(0).json()["slug"] == "unsynced-records"

    office.start()
    until(lambda: device.status()["unsynced"] == 0)
    assert {charge["id"] for charge in during} | {before["id"]} == set(office.charges)
    office.pay(before["id"])
    until(lambda: device.get(f"/api/charges/{before['id']}")["state"] == "paid")
    assert "Traceback" not in device.log()


def test_payment_is_heard_by_polling_where_the_stream_is_cut(
    device: Device, office: Office
) -> None:
    device.sign_in()
    office.stream = False
    charge = device.charge(SPOT)
    office.pay(charge["id"])
    until(lambda: device.get(f"/api/charges/{charge['id']}")["state"] == "paid")


def test_a_stream_that_died_without_a_word_is_replaced_once_the_office_is_back(
    device: Device, office: Office
) -> None:
    device.sign_in()
    charge = device.charge(SPOT)
    followed = ("GET", f"/v1/charges/{charge['id']}/events")
    until(lambda: followed in office.requests)
    office.swallows = True
    until(lambda: not device.status()["online"])
    office.swallows = False
    until(lambda: device.status()["online"])
    office.pay(charge["id"])
    until(lambda: device.get(f"/api/charges/{charge['id']}")["state"] == "paid")


def test_payment_is_heard_however_many_codes_nobody_has_paid(
    device: Device, office: Office
) -> None:
    device.sign_in()
    first = device.charge(SPOT)
    for _ in range(WATCHED_AT_ONCE):
        last = device.charge(SPOT)
    office.pay(last["id"])
    until(lambda: device.get(f"/api/charges/{last['id']}")["state"] == "paid")
    office.pay(first["id"])
    until(lambda: device.get(f"/api/charges/{first['id']}")["state"] == "paid")


def test_a_code_that_comes_later_appears_by_itself(device: Device, office: Office) -> None:
    device.sign_in()
    office.issue_at_once = False
    charge = device.charge(SPOT)
    assert (charge["state"], charge["qris"]) == ("issuing", None)
    office.issue_at_once = True
    office.charges[charge["id"]] = office.new_charge(charge["id"], SPOT, "motorcycle")
    until(lambda: device.get(f"/api/charges/{charge['id']}")["qris"])


def test_a_refused_request_is_kept_and_flagged(device: Device, office: Office) -> None:
    device.sign_in()
    office.refuse_charges = (409, "spot-closed")
    charge = device.charge(SPOT)
    assert charge["sync"] == "refused"
    assert charge["problem"]["office_slug"] == "spot-closed"
    until(lambda: device.status()["unsynced"] == 0)
    assert device.status()["quarantined"] == 1


def test_a_quarantined_event_stays_here(device: Device, office: Office) -> None:
    office.quarantine_kinds = {"shift_opened"}
    device.sign_in()
    until(lambda: device.status()["quarantined"] == 1)
    assert office.quarantined[0]["kind"] == "shift_opened"


def test_a_lapsed_token_asks_for_a_sign_in_and_then_goes_on(device: Device, office: Office) -> None:
    device.sign_in()
    office.tokens.clear()
    charge = device.charge(SPOT)
    assert charge["sync"] == "waiting"
    until(lambda: device.status()["sign_in_lapsed"])
    other = device.http.post("/api/sign-in", json={"attendant": "J-002", "pin": "222222"})
    assert other.json()["slug"] == "unsynced-records"
    device.sign_in()
    until(lambda: device.get(f"/api/charges/{charge['id']}")["qris"])
    assert list(office.charges) == [charge["id"]]


def test_late_news_never_turns_paid_back(device: Device, office: Office) -> None:
    device.sign_in()
    charge = device.charge(SPOT)
    issued = dict(office.charges[charge["id"]])
    office.pay(charge["id"])
    until(lambda: device.get(f"/api/charges/{charge['id']}")["state"] == "paid")
    office.charges[charge["id"]] = issued
    device.http.post("/api/resolve", json={"text": issued["qris"]})
    assert device.get(f"/api/charges/{charge['id']}")["state"] == "paid"


def test_a_suspended_device_says_so_and_keeps_its_records_until_it_is_resumed(
    device: Device, office: Office
) -> None:
    device.sign_in()
    office.state = "suspended"
    charge = device.charge(SPOT)
    until(lambda: device.status()["device_state"] == "suspended")
    page = device.http.get("/spots", headers={"Accept": "text/html"}).text
    assert f"Kunci: {device.status()['fingerprint']}" in page
    assert device.get(f"/api/charges/{charge['id']}")["sync"] == "waiting"
    assert device.status()["unsynced"] > 0
    office.state = "active"
    until(lambda: device.get(f"/api/charges/{charge['id']}")["sync"] == "sent")
    until(lambda: device.status()["unsynced"] == 0)
    until(lambda: device.status()["device_state"] == "active")


def test_a_stopped_attendant_counts_and_closes_and_does_nothing_else_also_offline(
    device: Device, office: Office
) -> None:
    device.sign_in()
    cash = device.cash(SPOT)
    until(lambda: device.status()["unsynced"] == 0)
    office.stop()
    until(lambda: not device.status()["online"])
    late = device.cash(SPOT)
    office.stopped = {"J-001"}
    office.start()
    until(lambda: device.status()["stopped"] and device.status()["unsynced"] == 0)
    assert device.get(f"/api/charges/{late['id']}")["sync"] == "waiting"
    office.stop()
    until(lambda: not device.status()["online"])
    device.kill()
    device.start()
    page = device.http.get("/", headers={"Accept": "text/html"}, follow_redirects=True)
    assert page.url.path == "/shift"
    assert "Kantor menghentikan tugas Anda" in page.text
    body = {"spot": SPOT, "vehicle_class": "motorcycle"}
    for path in ("/api/charges", "/api/cash-charges"):
        refused = device.http.post(path, json=body)
        assert (refused.status_code, refused.json()["slug"]) == (403, "attendant-stopped")
    assert device.get(f"/api/charges/{cash['id']}")["state"] == "paid"
    office.start()
    until(lambda: device.status()["online"] and device.status()["unsynced"] == 0)
    closed = device.close(cash["amount_rp"], held_seen=device.status()["quarantined"])
    assert closed.status_code == 200, closed.text
    until(lambda: not device.status()["signed_in"])

    # The relief's master data tells of it: a sign-in without a connection says why not.
    device.sign_in("J-002", "222222")
    refused = device.http.post("/api/sign-in", json={"attendant": "J-001", "pin": "123456"})
    assert refused.json()["slug"] == "already-signed-in"
    until(lambda: device.status()["unsynced"] == 0)
    assert device.close(0, held_seen=device.status()["quarantined"]).status_code == 200
    until(lambda: not device.status()["signed_in"])
    for online in (True, False):
        if not online:
            office.stop()
            until(lambda: not device.status()["online"])
        refused = device.http.post("/api/sign-in", json={"attendant": "J-001", "pin": "123456"})
        assert (refused.status_code, refused.json()["slug"]) == (403, "attendant-stopped")
    office.stopped.clear()
    office.start()
    until(lambda: device.status()["online"])
    assert late["id"] not in office.charges  # no relief sends it as his own
    device.sign_in()
    assert device.status()["stopped"] is False
    until(lambda: device.get(f"/api/charges/{late['id']}")["sync"] == "sent")
    assert office.charges[late["id"]]["state"] == "paid"


def test_cash_of_an_attendant_stopped_by_mistake_arrives_once_he_is_let_in_again(
    device: Device, office: Office
) -> None:
    device.sign_in()
    until(lambda: device.status()["unsynced"] == 0)
    office.stop()
    until(lambda: not device.status()["online"])
    unsent = [device.cash(SPOT)["id"] for _ in range(3)]
    office.stopped = {"J-001"}
    office.start()
    until(lambda: device.status()["stopped"] and device.status()["unsynced"] == 0)
    assert device.status()["quarantined"] >= len(unsent)
    office.stopped.clear()
    until(lambda: all(office.charges.get(one, {}).get("state") == "paid" for one in unsent))
    until(lambda: {device.get(f"/api/charges/{one}")["sync"] for one in unsent} == {"sent"})


def test_a_device_that_waits_for_approval_starts_working_by_itself(
    device: Device, office: Office
) -> None:
    office.state = "pending"
    until(lambda: device.status()["enrolled"] and device.status()["device_state"] == "pending")
    body = {"attendant": "J-001", "pin": "123456"}
    refused = device.http.post("/api/sign-in", json=body)
    assert refused.json()["office_slug"] == "device-pending"
    office.state = "active"
    until(lambda: device.status()["device_state"] == "active")
    device.sign_in()


def test_a_new_key_takes_the_place_of_the_old_one_and_the_chain_goes_on(
    device: Device, office: Office
) -> None:
    device.sign_in()
    device.charge(SPOT)
    until(lambda: device.status()["unsynced"] == 0)
    before, (device_id,) = device.status()["fingerprint"], office.devices
    old_key = office.devices[device_id]
    office.enrolment_code = "kunci-baru"
    assert device.http.post("/api/enrol", json={"code": "salah"}).status_code == 409
    assert device.status()["fingerprint"] == before
    assert device.http.post("/api/enrol", json={"code": "kunci-baru"}).status_code == 200
    assert device.status()["fingerprint"] != before
    assert list(office.devices) == [device_id]
    assert office.devices[device_id] != old_key
    device.charge(SPOT)
    until(lambda: device.status()["unsynced"] == 0)
    assert [event["seq"] for event in office.events] == [1, 2, 3]
    device.kill()
    device.start()
    assert device.status()["fingerprint"] != before


def test_a_device_erases_itself_when_told_to_and_nothing_is_unsent(
    device: Device, office: Office
) -> None:
    device.sign_in()
    office.issue_at_once = False
    charge = device.charge(SPOT, plate="DA 1234 AB")
    until(lambda: device.status()["unsynced"] == 0)
    before, (device_id,) = device.status()["fingerprint"], office.devices
    office.stop()
    until(lambda: not device.status()["online"])
    device.charge(SPOT)
    office.wipe, office.state = True, "suspended"
    office.start()
    until(lambda: device.status()["device_state"] == "suspended")
    assert device.status()["unsynced"] > 0
    assert office.wiped == []  # what it has not sent is not lost
    office.state = "active"
    until(lambda: office.wiped == [device_id])
    until(lambda: device.status()["fingerprint"] != before)
    assert device.status()["enrolled"] is False
    assert device.http.get(f"/api/charges/{charge['id']}").status_code == 401
    device.kill()
    held = b"".join(path.read_bytes() for path in device.folder.iterdir())
    assert charge["id"].encode() not in held
    assert len(office.charges) == 2


def test_kill_9_loses_nothing_that_was_answered(device: Device, office: Office) -> None:
    device.sign_in()
    office.stop()
    until(lambda: not device.status()["online"])
    made: list[dict[str, Any]] = []
    for _ in range(5):
        made.append(device.charge(SPOT))
        device.kill()
        device.start()
        status = device.status()
        assert status["signed_in"]
        assert status["attendant"] == {"code": "J-001", "name": "Ahmad Rifani"}
    office.start()
    until(lambda: device.status()["unsynced"] == 0)
    assert set(office.charges) == {charge["id"] for charge in made}
    assert [event["seq"] for event in office.events] == list(range(1, len(office.events) + 1))


def test_a_stop_is_prompt_and_clean(device: Device) -> None:
    with device.http.stream("GET", "/api/events") as stream:
        next(stream.iter_lines())
        assert device.stop() == 0
    assert "Traceback" not in device.log()


def test_a_stop_does_not_wait_for_an_office_that_swallows_what_is_sent(
    device: Device, office: Office
) -> None:
    device.sign_in()
    until(lambda: device.status()["unsynced"] == 0)
    office.swallows = True
    device.charge(SPOT)
    assert device.stop() == 0
    assert "Traceback" not in device.log()


def test_one_data_folder_serves_one_process(device: Device, office: Office) -> None:
    second = Device(office, device.folder, device.printer_url)
    try:
        second.start()
    except AssertionError:
        assert "another handheld already uses" in second.log()
    else:
        raise AssertionError("a second process took the same folder")
    finally:
        second.kill()
        second.http.close()

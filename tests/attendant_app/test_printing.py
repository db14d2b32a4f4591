"""Slips and a printer that is out of paper, silent or gone."""

from typer.testing import CliRunner

from printer.cli import app
from tests.attendant_app.builders import SPOT
from tests.attendant_app.conftest import Device, Paper
from tests.attendant_app.office import Office, until


def paid_charge(device: Device, office: Office) -> str:
    device.sign_in()
    charge_id = str(device.charge(SPOT)["id"])
    office.pay(charge_id)
    until(lambda: device.get(f"/api/charges/{charge_id}")["state"] == "paid")
    return charge_id


def test_out_of_paper_waits_and_prints_the_original_after_the_refill(
    device: Device, office: Office, paper: Paper
) -> None:
    paper.paper_out = True
    charge_id = paid_charge(device, office)
    path = f"/api/charges/{charge_id}/print"
    until(lambda: device.get(path)["reason"] == "paper-out")
    assert device.get(path)["text_id"].startswith("Kertas habis")
    assert device.status()["printer"]["state"] == "paper-out"
    paper.paper_out = False
    device.http.post(f"/api/charges/{charge_id}/reprint")
    until(lambda: device.get(path)["state"] == "PRINTED")
    assert [job["copy"] for job in device.get(path)["jobs"]] == [0]
    assert b"SALINAN" not in b"".join(paper.jobs)


def test_a_silent_printer_leaves_the_question_to_the_attendant(
    device: Device, office: Office, paper: Paper
) -> None:
    paper.answers = False
    charge_id = paid_charge(device, office)
    path = f"/api/charges/{charge_id}/print"
    until(lambda: device.get(path)["state"] == "UNCERTAIN")
    assert device.get(path)["may_confirm"]
    paper.answers = True
    assert device.http.post(f"/api/charges/{charge_id}/reprint").status_code == 202
    until(lambda: [job["copy"] for job in device.get(path)["jobs"]] == [0, 1])
    until(lambda: device.get(path)["state"] == "PRINTED")
    assert paper.jobs[-1].count(b"SALINAN KE-1") == 2
    assert b"SALINAN" not in paper.jobs[0]
    answer = device.http.post(f"/api/charges/{charge_id}/print-confirm")
    assert answer.json()["slug"] == "no-receipt"


def test_no_printer_does_not_hold_the_sale_up(device: Device, office: Office, paper: Paper) -> None:
    paper.stop()
    charge_id = paid_charge(device, office)
    path = f"/api/charges/{charge_id}/print"
    until(lambda: device.get(path)["reason"] == "unreachable")
    assert device.get(path)["state"] == "QUEUED"
    device.kill()
    paper._stop.clear()
    paper.start()
    device.start()
    until(lambda: device.get(path)["state"] == "PRINTED")
    assert len(paper.jobs) == 1


REFUNDED = {"amount_rp": 2000, "state": "sending", "at": "2026-11-22T05:00:00Z", "receipt": None}


def test_a_refunded_payment_prints_no_more(device: Device, office: Office, paper: Paper) -> None:
    paper.paper_out = True
    charge_id = paid_charge(device, office)
    until(lambda: device.get(f"/api/charges/{charge_id}/print")["reason"] == "paper-out")
    device.http.post(f"/charges/{charge_id}/refund-wish", data={"reason": "paid_twice"})
    until(lambda: "sudah dilaporkan" in device.http.get(f"/charges/{charge_id}").text)
    office.change(charge_id, state="refunded", refunds=[REFUNDED])
    device.kill()
    device.start()
    until(lambda: device.get(f"/api/charges/{charge_id}")["state"] == "refunded")
    paper.paper_out = False
    until(lambda: device.get(f"/api/charges/{charge_id}/print")["reason"] == "not-paid")
    assert device.http.post(f"/api/charges/{charge_id}/reprint").status_code == 409
    assert paper.jobs == []


def test_the_queue_s_commands_read_a_handheld_at_work_and_change_nothing_in_it(
    device: Device, office: Office, paper: Paper
) -> None:
    def queue(*words: str) -> tuple[int, str]:
        file = ("--file", str(device.folder / "handheld.sqlite"))
        result = CliRunner().invoke(app, ["queue", *words, *file])
        return result.exit_code, result.output

    paper.paper_out = True
    path = f"/api/charges/{paid_charge(device, office)}/print"
    until(lambda: device.get(path)["reason"] == "paper-out")
    number = device.get(path)["number"]
    code, listed = queue("list")
    assert code == 0
    assert f"{number}#0  " in listed
    assert queue("log", number)[1].splitlines()[0].split()[3] == "QUEUED"
    for word in ("retry", "done"):
        code, said = queue(word, number, "--who", "J-001")
        assert code != 0
        assert "belongs to another program" in said
    paper.paper_out = False
    until(lambda: device.get(path)["state"] == "PRINTED")
    assert queue("list") == (0, "")

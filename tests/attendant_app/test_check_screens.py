"""The screens of checks in every shape: both languages, every size, with axe."""

from tests.attendant_app.builders import SPOT
from tests.attendant_app.conftest import Device
from tests.attendant_app.office import Office
from tests.attendant_app.test_screens import Walk, walk  # noqa: F401 - a fixture


def test_checks(walk: Walk, device: Device, office: Office) -> None:  # noqa: F811
    device.sign_in()
    walk.see(f"/spots/{SPOT}", "home-with-checks", ".vehicle")
    walk.see("/checks", "checks", ".row")
    walk.see("/checks/vehicles", "check-vehicle", "#code")
    walk.see("/checks/count", "heads", ".vehicle")
    path = f"/checks/signs/{SPOT}"
    for name, text in (("genuine", office.sign_link()), ("false", "https://bit.ly/x")):
        assert device.http.post(path, data={"text": text}).status_code == 200
        walk.see("/checks/signs", f"check-signs-{name}", ".row")
    assert not walk.faults, "\n".join(walk.faults)

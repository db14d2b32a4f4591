import base64

from printer import Result, profile, send
from printer.transports.rawbt import RawBt


def test_a_job_becomes_a_link_that_carries_all_its_bytes():
    app = RawBt()
    for job in (b"old", bytes(range(256))):
        assert send(job, app, profile("generic-58-qr")).result is Result.UNCERTAIN
    encoded = app.link.removeprefix("rawbt:base64,")
    assert base64.b64decode(encoded, validate=True) == bytes(range(256))
    assert app.intent == (
        f"intent:base64,{encoded}#Intent;scheme=rawbt;package=ru.a402d.rawbtprinter;end;"
    )

"""What is held before an attendant's camera to be taken for ours: signs, and proofs of payment.

Each picture is rendered, warped as a hand-held camera sees it, and given to the handheld's own
page, which has no connection: nobody can be asked. What counts is the colour it answers with. The
control believes what looks right: a sound code, a familiar name, a number of the right form.
"""

import re
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import cv2
import httpx
import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

import qris
from attendant_app import device_key, journal, scanner
from attendant_app.app import create_app
from attendant_app.settings import Settings
from attendant_app.store import Shift, Store, stamp
from domain.events import EventKind
from domain.parking import spot_code
from domain.proof import Proof, Seal, is_proof
from domain.receipt import receipt_number
from domain.sign import SignFault
from domain.sign_link import make
from domain.tariff import VehicleClass
from tests.attendant_app.builders import (
    MASTER_DATA,
    MERCHANT,
    OTHER_SPOT,
    SITE,
    SPOT,
    photographed,
    qris_text,
)
from tests.attendant_app.test_signs import (
    GENUINE as SIGNED_LINK,
)
from tests.attendant_app.test_signs import (
    OTHER_NMID,
    SEAL,
    SIGNED,
    STRANGER,
    static,
)
from tests.faults.stage import Stage

WARPS = 5
Picture = NDArray[np.uint8]
Ask = Callable[[str, Picture], Awaitable[str]]
"""The colour that a page answers a picture with: green, red, amber, plain; none for no code."""


@asynccontextmanager
async def handheld(stage: Stage, master: dict[str, Any]) -> AsyncIterator[tuple[Ask, Store]]:
    """The handheld's own pages over HTTP, on shift at a spot; the server it knows is not there."""
    now, folder = datetime.now(UTC), stage.folder / "handheld"
    store = Store(folder)
    store.enrol("d-1", "HH", now)
    store.start_shift(Shift("s-1", "J-001", "Ahmad", None, stamp(now), stamp(now)))
    store.save_master_data(master, now)
    app = create_app(Settings(data=folder, server_url="http://127.0.0.1:9"), store)
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=transport, base_url="http://127.0.0.1", cookies={"spot": SPOT}
        ) as http,
    ):

        async def ask(path: str, picture: Picture) -> str:
            jpeg = cv2.imencode(".jpg", picture)[1].tobytes()
            answer = await http.post(path, files={"image": jpeg}, follow_redirects=True)
            answer.raise_for_status()
            found = re.search(r'class="found is-(\S+) looks-(\w+)', answer.text)
            return found[2] if found and found[1] != "none" else "none"

        yield ask, store
    store.close()


# T30

SIGNS: Sequence[tuple[str, str, SignFault]] = (
    ("other NMID", static(nmid=OTHER_NMID, name="WARUNG BU TINI"), SignFault.OTHER_NMID),
    ("same name, other NMID", static(nmid=OTHER_NMID), SignFault.SAME_NAME),
    ("edited, CRC left", static().replace("MARTAPURA", "MARTAPURO"), SignFault.CRC),
    ("address of a look-alike", f"https://parkir-contoh.example/p/{SPOT}", SignFault.OTHER_SITE),
    ("shortened address", "https://bit.ly/3parkir", SignFault.OTHER_SITE),
    (
        "link of a look-alike",
        SIGNED_LINK.replace(SITE, "https://parkir-contoh.example"),
        SignFault.OTHER_SITE,
    ),
    ("link signed by another key", make(STRANGER, SITE, SPOT, 2), SignFault.OTHER_KEY),
    ("link with its spot edited", SIGNED_LINK.replace(SPOT, OTHER_SPOT), SignFault.FORGED),
    ("link with its signature edited", SIGNED_LINK[:-9] + "123456789", SignFault.FORGED),
    (
        "link of another spot, edited to this",
        make(SEAL, SITE, OTHER_SPOT, 2).replace(OTHER_SPOT, SPOT),
        SignFault.FORGED,
    ),
    ("signed sign of another spot", make(SEAL, SITE, OTHER_SPOT, 1), SignFault.OTHER_SPOT),
    ("sign that was replaced", make(SEAL, SITE, SPOT, 1), SignFault.OLD),
    ("sign newer than the list", make(SEAL, SITE, SPOT, 3), SignFault.NEWER),
    ("plain address of this spot", f"{SITE}/p/{SPOT}", SignFault.UNSIGNED),
    ("plain address of another spot", f"{SITE}/p/{OTHER_SPOT}", SignFault.OTHER_SPOT),
    ("sign of a former spot", f"{SITE}/p/{spot_code('MTG', 99)}", SignFault.OLD),
    ("code that was replaced", static(name="PARKIR LAMA"), SignFault.OLD),
    ("our NMID, another account", static(pan="9360091400000000121"), SignFault.OTHER_DATA),
    ("code for one payment", qris_text(2000), SignFault.ONE_TIME),
)
GENUINE = (SIGNED_LINK, static())
UNPOSTED = ("static code where none is posted", static(), SignFault.STATIC)


def looks_like_a_sign(text: str) -> bool:
    """The control: a code that is sound, or an address with a spot's code in it."""
    try:
        return bool(qris.parse(text))
    except qris.QrisError:
        return "/p/" in text


async def cover_signs(stage: Stage) -> None:
    """T30. Every false sign in several pictures, and the right ones, which must stay green."""
    if not stage.is_ours:
        for kind, text, _ in (*SIGNS, UNPOSTED):
            for picture in _photographs(stage, text):
                seen = [code.text for code in scanner.look(picture)]
                if any(map(looks_like_a_sign, seen)):
                    stage.tally.violate("false sign taken for ours", kind)
        return
    async with handheld(stage, SIGNED) as (ask, store):
        for kind, text, fault in SIGNS:
            await _checked(stage, ask, store, kind, text, fault)
        for text in GENUINE:
            await _checked(stage, ask, store, "the right sign", text, None)
        signs = SIGNED["signs"] | {"posted": []}
        store.save_master_data(SIGNED | {"signs": signs}, datetime.now(UTC))
        await _checked(stage, ask, store, *UNPOSTED)


async def _checked(
    stage: Stage, ask: Ask, store: Store, kind: str, text: str, fault: SignFault | None
) -> None:
    for picture in _photographs(stage, text):
        look = await ask(f"/checks/signs/{SPOT}", picture)
        stage.tally.fired[kind] += 1
        if look == "green" and fault is not None:
            stage.tally.violate("false green", kind)
        if look == "none":
            stage.tally.violate("picture not read", kind)
            continue
        [told] = store.db.execute("SELECT fault FROM sign_checks WHERE spot = ?", (SPOT,))
        if told["fault"] != (fault and fault.value):
            stage.tally.violate("another reason", f"{kind}: {told['fault']}")


def _photographs(stage: Stage, text: str) -> list[Picture]:
    stage.tally.runs += WARPS
    return [photographed(text, stage.rng.randrange(2**32), tilt=0.1) for _ in range(WARPS)]


# T31


OURS, OTHERS = Seal(Ed25519PrivateKey.generate()), Seal(Ed25519PrivateKey.generate())
OTHER_ZONE = spot_code("RSU", 1)


def _proof(number: int, seal: Seal = OURS, **changes: Any) -> str:
    told = {
        "charge_id": UUID(int=number),
        "spot_code": SPOT,
        "vehicle_class": VehicleClass.CAR,
        "amount_rp": 5000,
        "paid_at": datetime.now(UTC) - timedelta(minutes=1),
        "receipt_number": receipt_number("MTG-2026", number),
    }
    return seal.sign(Proof(**(told | changes)))


def _edited(proof: str) -> str:
    """A proof whose amount was changed, its signature left as it was."""
    head, body, signature = proof.split(".")
    claims = urlsafe_b64decode(body + "==").replace(b"5000", b"9000")
    return ".".join((head, urlsafe_b64encode(claims).decode().rstrip("="), signature))


def _unsigned(proof: str) -> str:
    head = urlsafe_b64encode(b'{"alg":"none","typ":"karcis","kid":"x"}').decode().rstrip("=")
    return f"{head}.{proof.split('.')[1]}."


REFUNDED, REPLAYED, TRUE = 3, 4, 7


def fakes() -> tuple[tuple[str, str], ...]:
    """What is shown as paid, and is not; none of it may be green."""
    day = timedelta(days=1, minutes=1)
    return (
        ("screenshot of an old success", _proof(1, paid_at=datetime.now(UTC) - day)),
        ("proof of last week", _proof(1, paid_at=datetime.now(UTC) - 7 * day)),
        ("proof with its amount edited", _edited(_proof(2))),
        ("proof without a signature", _unsigned(_proof(2))),
        ("proof by another key", _proof(2, OTHERS)),
        ("proof of a refunded charge", _proof(REFUNDED)),
        ("proof that was taken before", _proof(REPLAYED)),
        ("proof of another street", _proof(5, spot_code=OTHER_ZONE)),
        ("receipt, replayed", f"{SITE}/r/{receipt_number('MTG-2026', 6)}"),
        ("receipt number, replayed", receipt_number("MTG-2026", 6)),
        ("receipt of a look-alike", f"https://karcis.example/r/{receipt_number('MTG-2026', 6)}"),
        ("wallet's success page", f"https://wallet.example/paid?to={MERCHANT}&amount=5000"),
        ("code of ours with its amount edited", qris_text(1)),
        ("static code under our name", static(nmid=OTHER_NMID)),
    )


def looks_paid(text: str) -> bool:
    """The control: what says that it is a proof, a receipt, or has our merchant's name."""
    return is_proof(text) or "/r/" in text or MERCHANT in text or text.startswith("MTG")


async def show_fakes(stage: Stage) -> None:
    """T31. Fakes before the camera; one true proof beside them, which must be green."""
    shown = fakes()
    stage.tally.runs = len(shown)
    if not stage.is_ours:
        for kind, text in shown:
            if any(looks_paid(code.text) for code in scanner.look(_clear(stage, text))):
                stage.tally.violate("fake taken for paid", kind)
        return
    async with handheld(stage, _told()) as (ask, store):
        _taken_an_hour_ago(store, stage)
        if await ask("/scan", _clear(stage, _proof(TRUE))) != "green":
            stage.tally.violate("a true proof was not green")
        for kind, text in shown:
            look = await ask("/scan", _clear(stage, text))
            stage.tally.fired[kind] += 1
            if look in ("green", "none"):
                stage.tally.violate(f"answered {look}", kind)
        kinds = [event.kind for event in store.events_waiting(99)]
        if kinds != [EventKind.PROOF_TAKEN] * 2:
            stage.tally.violate("a fake was recorded as taken", kinds)


def _taken_an_hour_ago(store: Store, stage: Stage) -> None:
    key = device_key.load_or_make(stage.folder / "handheld")
    body = {"charge_id": str(UUID(int=REPLAYED))}
    with store.transaction():
        journal.record(
            store, key, EventKind.PROOF_TAKEN, body, datetime.now(UTC) - timedelta(hours=1)
        )


def _told() -> dict[str, Any]:
    zone = {"code": "RSU", "name": "Rumah sakit"}
    other = {"code": OTHER_ZONE, "place": "Jl. Veteran", "zone": zone}
    proofs = {
        "keys": {OURS.key_id: b64encode(OURS.public).decode()},
        "revoked": [str(UUID(int=REFUNDED))],
        "lifetime_s": 24 * 3600,
    }
    return MASTER_DATA | {"proofs": proofs, "spots": [*MASTER_DATA["spots"], other]}


def _clear(stage: Stage, text: str) -> Picture:
    """Proofs are dense, and drivers hold them still."""
    return photographed(text, stage.rng.randrange(2**32), tilt=0.03, blur=0.4, shade=0.2)

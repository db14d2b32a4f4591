"""Everything at once, from one seed: an office, 20 handhelds, an acquirer, a network and disks.

The handhelds are the real thing: their store on real SQLite files, journal, service and background
loops, run by a loop whose time is virtual (`clocks.py`) over a network that loses, doubles, delays
and cuts. A seed always plays the same. In safety mode nothing ever heals and only what must never
happen is looked for; in liveness mode all faults end at 70 %, and then everything must converge.
"""

import asyncio
import contextlib
import functools
import json
import shutil
import sqlite3
import tempfile
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from attendant_app import device_key, problems, recognise, service, shifts, signing, sync
from attendant_app.runtime import Handheld
from attendant_app.server_api import NoAnswer
from attendant_app.settings import Settings
from attendant_app.store import Store
from domain.proof import verify
from tests.faults.stage import flat_spots
from tests.simulation.acquirer import Acquirer, Order
from tests.simulation.clocks import STARTS, Clock, VirtualLoop, carry, governed
from tests.simulation.invariants import Watch
from tests.simulation.office import Answer, Died, NaiveOffice, Office, date_header

HANDHELDS = 20
WORK_S, HEAL_S = 56.0, 92.0
END_S, END_IN_FAULTS_S = 132.0, 104.0
"""Converging takes longer than being broken once more."""
SPOTS = tuple(flat_spots()[:3])
LOG = 200
SHM = Path("/dev/shm")
CLOCKS_S = (0, 0, 0, 0, 1, -4, 300, -300, 26 * 3600, -26 * 3600)
NEVER_S = 60.0


MakeOffice = Callable[[Acquirer, Ed25519PrivateKey, Callable[[], str]], Office]


@dataclass(frozen=True)
class Weather:
    """How bad it is in this run; some are calm, some are horrid."""

    drop: float
    duplicate: float
    delay_s: float
    cuts: int
    kills: int
    office_crashes: int
    wrong: float
    silent: float
    unheard: float
    pause_s: float

    @classmethod
    def drawn(cls, rng: Random) -> "Weather":
        bad = rng.choice((0.0, 0.2, 0.5, 1.0))
        return cls(
            drop=rng.uniform(0, 0.2) * bad,
            duplicate=rng.uniform(0, 0.1) * bad,
            delay_s=rng.uniform(0.02, 0.1 + 6 * bad),
            cuts=round(rng.uniform(0, 12) * bad),
            kills=round(rng.uniform(0, 12) * bad),
            office_crashes=round(rng.uniform(0, 4) * bad),
            wrong=rng.uniform(0, 0.3) * bad,
            silent=rng.uniform(0, 0.4) * bad,
            unheard=rng.uniform(0, 0.6) * bad,
            pause_s=rng.uniform(8, 30),
        )


CALM = Weather(0, 0, 0.05, 0, 0, 0, 0, 0, 0, 10)


@dataclass(frozen=True)
class Cut:
    """`device` None is everybody; one-way cuts let requests through and no answers, or neither."""

    device: int | None
    begins_s: float
    ends_s: float
    out: bool
    back: bool


@dataclass
class Played:
    """What became of one seed."""

    seed: int
    liveness: bool
    acked: int
    stored: int
    replays: int
    kills: int
    steps: int
    fired: Counter[str]
    violations: Counter[str]
    examples: dict[str, list[str]]
    log: list[str]
    office: Office = field(repr=False)
    orders: dict[str, Order] = field(repr=False)


class Wire(httpx.AsyncBaseTransport):
    """A handheld's way to the office."""

    def __init__(self, world: "World", device: int) -> None:
        self._world, self._device = world, device

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        travel = asyncio.ensure_future(self._world.travel(self._device, request))
        patience_s = request.extensions["timeout"]["read"]
        try:
            async with asyncio.timeout(patience_s):
                answer = await asyncio.shield(travel)
        except TimeoutError as exc:
            raise httpx.ReadTimeout("no answer", request=request) from exc
        if answer is None:
            raise httpx.ConnectError("nobody there", request=request)
        status, body = answer
        date = {"Date": date_header(self._world.now())}
        if status == 200 and request.url.path.endswith("/events"):
            followed = Followed(self._world, self._device, body["id"])
            return httpx.Response(status, headers=date, stream=followed, request=request)
        return httpx.Response(status, headers=date, json=body, request=request)


class Followed(httpx.AsyncByteStream):
    """A charge at once and after each change, while there is a way and an office."""

    def __init__(self, world: "World", device: int, charge_id: str) -> None:
        self._world, self._device, self._charge_id = world, device, charge_id

    async def __aiter__(self) -> AsyncIterator[bytes]:
        world, last = self._world, ""
        while True:
            if world.seconds() < world.office_up_at:
                raise httpx.ReadError("the office has gone")
            charge = world.office.charges[self._charge_id]
            if charge.state != last and not world.lost(self._device, "event", out=False):
                view = json.dumps(world.office.told(charge.id, world.now()))
                yield f"event: charge\ndata: {view}\n\n".encode()
                last = charge.state
            await asyncio.sleep(2)


class Device:
    """One handheld, its disk, and the attendant who carries it."""

    def __init__(self, world: "World", number: int, folder: Path) -> None:
        self.world, self.number, self.folder = world, number, folder
        rng = world.rng
        offset_s = rng.choice(CLOCKS_S)
        self.clock = Clock(world.loop, offset_s, rng.uniform(-1e-4, 1e-4))
        if abs(offset_s) > 5:
            world.fired["clock wrong"] += 1
        self.handheld: Handheld | None = None
        self.code: str | None = None
        """What it enrols with, again and again until it is answered."""
        self.witnessed: list[str] = []
        """Hashes of all the events that a screen has told were recorded."""
        self.greens: set[str] = set()
        (folder / "1").mkdir(parents=True)
        (folder / "1" / device_key.KEY).write_bytes(rng.randbytes(32))
        (folder / "1" / "handheld.sqlite").write_bytes(_blank())
        self._life = 1

    def boot(self) -> None:
        folder = self.folder / str(self._life)
        settings = Settings(data=folder, server_url="http://office")
        store = Store(folder)
        if self.world.naive:
            store.db.execute("PRAGMA synchronous=OFF")
            store.db.execute("PRAGMA wal_autocheckpoint=0")
        # A template of the client would save its making, which costs more than a minute of its use.
        http = httpx.AsyncClient(transport=Wire(self.world, self.number), base_url="http://office")
        self.handheld = Handheld(settings, store, device_key.load_or_make(folder), http)
        http.auth = signing.RequestSigner(self.handheld)
        self.work = asyncio.ensure_future(sync.run(self.handheld))
        recorded = _hashes(store.db)
        if recorded[: len(self.witnessed)] != self.witnessed:
            self.world.watch.violate("I4 an event the screen had told is gone", self.number)
            self.witnessed = recorded

    async def crash(self, *, power: bool) -> None:
        """kill -9; or the power goes, and with it what no fsync brought to the disk."""
        if self.handheld is None:
            return
        store, before, self.handheld = self.handheld.store, self.handheld.settings.data, None
        after = self.folder / str(self._life + 1)
        after.mkdir()
        shutil.copy(before / device_key.KEY, after)
        for name in ("handheld.sqlite", "handheld.sqlite-wal"):
            data = (before / name).read_bytes() if (before / name).exists() else b""
            if power and name.endswith("wal"):
                data = self._left_of(data, store)
            (after / name).write_bytes(data)
        self._life += 1
        store.close()
        self.work.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await self.work
        self.world.note(f"handheld {self.number}", "power lost" if power else "killed")
        self.world.fired["power lost" if power else "handheld killed"] += 1

    def _left_of(self, log: bytes, store: Store) -> bytes:
        """FULL brings each commit to the disk, and only a torn one is lost; OFF brings none."""
        rng = self.world.rng
        full = store.db.execute("PRAGMA synchronous").fetchone()[0] >= 2
        return (
            log + rng.randbytes(rng.randrange(5_000))
            if full
            else log[: rng.randrange(1 + len(log))]
        )

    def told(self) -> None:
        """The screen has answered: what was recorded is a promise now."""
        if self.handheld is not None:
            self.witnessed = _hashes(self.handheld.store.db)

    def kept(self) -> int:
        """How many of the events that a screen has told are on the disk; nothing has it open."""
        with contextlib.closing(
            sqlite3.connect(self.folder / str(self._life) / "handheld.sqlite")
        ) as db:
            return len(set(self.witnessed) & set(_hashes(db)))

    async def attend(self) -> None:
        """An attendant's day: sign in, then one thing after the other."""
        world, rng = self.world, self.world.rng
        carry(self.clock)
        self.boot()
        while world.seconds() < world.ends_s - 1:
            at_work = world.seconds() < WORK_S
            if at_work or not self._on_shift():
                with contextlib.suppress(problems.Problem, NoAnswer):
                    await self._while_alive(self._next() if self._on_shift() else self.sign_in())
            busy = at_work and self._on_shift()
            await asyncio.sleep(rng.expovariate(1 / world.weather.pause_s) if busy else 5)

    def _on_shift(self) -> bool:
        return self.handheld is not None and self.handheld.store.shift() is not None

    async def _while_alive(self, work: Coroutine[Any, Any, Any]) -> None:
        """What was begun on a handheld that dies meanwhile has ended nowhere."""
        handheld = self.handheld
        try:
            await work
        except Exception:
            if handheld is self.handheld and handheld is not None:
                raise
        else:
            if handheld is self.handheld:
                self.told()

    async def sign_in(self) -> None:
        if self.handheld is None:
            return
        office = self.world.office
        if self.handheld.store.device() is None:
            self.code = self.code or office.enrolment_code(self.world.now())
            await shifts.enrol(self.handheld, self.code)
        office.approve_devices(self.world.now())
        await shifts.sign_in(self.handheld, f"J-{self.number:03d}", "246810")

    async def _next(self) -> None:
        world, rng = self.world, self.world.rng
        assert self.handheld is not None
        match rng.choices(("charge", "cash", "proof", "both", "barcode"), (10, 3, 3, 2, 1))[0]:
            case "charge":
                await self._charge()
            case "cash":
                await service.take_cash(self.handheld, rng.choice(SPOTS), "motorcycle")
            case "proof":
                await self.look(world.a_proof())
            case "both":
                other, text = rng.choice(world.devices), world.a_proof()
                world.fired["proof held up to two"] += 1
                await asyncio.gather(self.look(text), other.as_himself(other.look(text)))
            case "barcode":
                texts = [c.qris for c in world.office.charges.values() if c.qris]
                if texts:
                    await recognise.resolve(self.handheld, rng.choice(texts))
                    world.fired["another's barcode scanned"] += 1

    async def _charge(self) -> None:
        assert self.handheld is not None
        klass = self.world.rng.choice(("motorcycle", "car"))
        charge = await service.request_charge(self.handheld, self.world.rng.choice(SPOTS), klass)
        self.world.begin(self.world.drive(self, charge.id))

    async def as_himself(self, work: Coroutine[Any, Any, Any]) -> None:
        """By this device's clock, whoever began it; what fails on it fails here."""
        carry(self.clock)
        with contextlib.suppress(problems.Problem, NoAnswer):
            await self._while_alive(work)

    async def look(self, text: str | None) -> dict[str, Any] | None:
        """Hold a proof up to it; what it said, where it is this handheld's to say."""
        if text is None or self.handheld is None or not self._on_shift():
            return None
        carry(self.clock)
        handheld = self.handheld
        told = await recognise.resolve(handheld, text)
        if (
            told.get("kind") != "proof"
            or told["verdict"] != "paid"
            or handheld is not self.handheld
        ):
            return told
        self.told()
        keys = {self.world.office.seal.key_id: self.world.office.seal.public}
        charge_id = str(verify(text, keys).charge_id)
        self.greens.add(charge_id)
        self.world.watch.green(charge_id, self.number)
        return told


@functools.cache
def _blank() -> bytes:
    """A handheld's file before anything was kept in it, which takes longer to make than to copy."""
    with disks() as folder:
        Store(folder).close()
        return (folder / "handheld.sqlite").read_bytes()


def _hashes(db: sqlite3.Connection) -> list[str]:
    return [row[0] for row in db.execute("SELECT hash FROM events ORDER BY seq")]


class World:
    def __init__(
        self,
        seed: int,
        loop: VirtualLoop,
        folder: Path,
        *,
        naive: bool,
        calm: bool = False,
        office: MakeOffice | None = None,
    ) -> None:
        self.seed, self.loop, self.naive = seed, loop, naive
        self.rng = Random(seed)
        self.liveness = self.rng.random() < 0.5
        self.ends_s = END_S if self.liveness else END_IN_FAULTS_S
        self.weather = weather = CALM if calm else Weather.drawn(self.rng)
        self.fired: Counter[str] = Counter()
        self.log: deque[str] = deque(maxlen=LOG)
        self.acquirer = Acquirer(self.rng, weather.wrong, weather.silent)
        seal = Ed25519PrivateKey.from_private_bytes(self.rng.randbytes(32))
        office = office or (NaiveOffice if naive else Office)
        self.office = office(self.acquirer, seal, self.new_id)
        self.office.spots = list(SPOTS)
        self.office_up_at = 0.0
        self.watch = Watch(self.office, self.acquirer)
        self.devices = [Device(self, n, folder / str(n)) for n in range(HANDHELDS)]
        self.cuts = [self._cut() for _ in range(weather.cuts)]
        self.tasks: set[asyncio.Task[None]] = set()
        self.steps = self.replays = 0

    def _cut(self) -> Cut:
        rng = self.rng
        begins_s = rng.uniform(0, HEAL_S)
        lasts_s = rng.choice((1, 2, 5, 20, 60))
        device = None if rng.random() < 0.2 else rng.randrange(HANDHELDS)
        out = rng.random() < 0.6
        back = not out or rng.random() < 0.6
        name = "cut both ways" if out and back else "cut one way"
        self.fired["everybody cut off" if device is None else name] += 1
        return Cut(device, begins_s, begins_s + lasts_s, out, back)

    def new_id(self) -> str:
        return str(UUID(bytes=self.rng.randbytes(16), version=4))

    def seconds(self) -> float:
        return self.loop.virtual_s

    def now(self) -> datetime:
        """The office's own time."""
        return STARTS + timedelta(seconds=self.loop.virtual_s)

    @property
    def healed(self) -> bool:
        return self.liveness and self.seconds() >= HEAL_S

    def note(self, actor: str, what: str) -> None:
        self.log.append(f"{self.seconds():8.3f} {actor}: {what}")

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    # The network

    async def travel(self, device: int, request: httpx.Request) -> Answer | None:
        """A request to the office and its answer back; None where nobody is there."""
        if self.lost(device, "request", out=True):
            await asyncio.sleep(NEVER_S)
        await asyncio.sleep(self._delay())
        answer = self._handle(device, request)
        if not self.healed and self.rng.random() < self.weather.duplicate:
            self.fired["request doubled"] += 1
            self.loop.call_later(self._delay(), self._handle, device, request)
        if self.lost(device, "answer", out=False):
            await asyncio.sleep(NEVER_S)
        await asyncio.sleep(self._delay())
        return answer

    def lost(self, device: int, what: str, *, out: bool) -> bool:
        if self.healed:
            return False
        if self.rng.random() < self.weather.drop:
            self.fired[f"{what} lost"] += 1
            return True
        now_s = self.seconds()
        return any(
            cut.device in (None, device)
            and cut.begins_s <= now_s < cut.ends_s
            and (cut.out if out else cut.back)
            for cut in self.cuts
        )

    def _delay(self) -> float:
        return 0.01 if self.healed else self.rng.uniform(0.005, self.weather.delay_s)

    def _handle(self, device: int, request: httpx.Request) -> Answer | None:
        if self.seconds() < self.office_up_at:
            return None
        self.steps += 1
        try:
            answer = self.office.handle(request, self.now())
        except Died:
            self.crash_office("died in the acquirer's call")
            answer = None
        path = request.url.path
        if path != "/livez":
            self.note(f"handheld {device}", f"{request.method} {path} -> {answer and answer[0]}")
            self.watch.step()
        return answer

    # The office, the acquirer, drivers

    def crash_office(self, why: str) -> None:
        self.office_up_at = self.seconds() + self.rng.uniform(0.5, 8)
        self.fired["office crashed"] += 1
        self.note("office", why)

    async def keep_office(self) -> None:
        while self.seconds() < self.ends_s:
            if self.healed:
                self.acquirer.wrong = self.acquirer.silent = 0
            if self.seconds() >= self.office_up_at:
                self.office.look_after(self.now())
                self.watch.step()
            await asyncio.sleep(1)

    async def look_at_screens(self) -> None:
        while True:
            await asyncio.sleep(5)
            for device in self.devices:
                if device.handheld is not None:
                    shown = device.handheld.store.db.execute(
                        "SELECT id FROM charges WHERE state = 'paid'"
                    )
                    self.watch.honest([row[0] for row in shown], device.number)

    async def drive(self, device: Device, charge_id: str) -> None:
        """A driver at a barcode, who pays it, late, twice, another sum, or never."""
        rng = self.rng
        await asyncio.sleep(rng.uniform(1, 20))
        handheld = device.handheld
        shown = handheld and handheld.store.charge(charge_id)
        text = ((shown and shown.known) or {}).get("qris")
        order = next((o for o in self.acquirer.orders.values() if o.qris == text), None)
        if text is None or order is None:
            return
        how = rng.choices(("once", "never", "late", "twice", "more", "less"), (14, 3, 2, 2, 1, 1))[
            0
        ]
        if how != "once":
            self.fired[f"driver pays {how}"] += 1
        if how == "never":
            return
        if how == "late":
            ends_s = (order.expires_at - STARTS).total_seconds()
            await asyncio.sleep(max(0.0, ends_s - self.seconds()) + rng.uniform(-2, 5))
        off_rp = {"more": 1, "less": -1}.get(how, 0)
        self.pay(order, order.amount_rp + off_rp)
        if how == "twice":
            await asyncio.sleep(rng.uniform(0, 5))
            self.pay(order, order.amount_rp)

    def pay(self, order: Order, amount_rp: int) -> None:
        rrn = self.acquirer.pay(order.reference, amount_rp)
        self.note("driver", f"paid {amount_rp} rp of {order.reference}")
        self.begin(self.tell(order.reference, rrn, amount_rp))

    async def tell(self, reference: str, rrn: str, amount_rp: int) -> None:
        """The acquirer's notification, again and again until it is acknowledged."""
        while self.seconds() < self.ends_s:
            await asyncio.sleep(self._delay() * self.rng.choice((1, 1, 1, 5)))
            if not self.healed and self.rng.random() < self.weather.unheard:
                self.fired["notification lost"] += 1
            elif self.seconds() >= self.office_up_at:
                times = 1
                if not self.healed and self.rng.random() < self.weather.duplicate:
                    times = self.rng.randrange(2, 5)
                    self.fired["notification repeated"] += times - 1
                heard = [
                    self.office.hear(reference, rrn, amount_rp, self.now()) for _ in range(times)
                ]
                self.replays += heard.count(True) - 1 if any(heard) else 0
                self.steps += times
                self.note("acquirer", f"told of {rrn}: {heard}")
                self.watch.step()
                if any(heard):
                    return
            await asyncio.sleep(self.rng.uniform(2, 15))

    def a_proof(self) -> str | None:
        paid = [c for c in self.office.charges.values() if c.state == "paid" and c.kind == "mpm"]
        return self.office.prove(self.rng.choice(paid)) if paid else None

    # Crashes

    async def break_things(self) -> None:
        rng, ends_s = self.rng, HEAL_S if self.liveness else self.ends_s - 20
        blows = [("handheld", rng.uniform(5, ends_s)) for _ in range(self.weather.kills)]
        blows += [("office", rng.uniform(5, ends_s)) for _ in range(self.weather.office_crashes)]
        for what, at_s in sorted(blows, key=lambda blow: blow[1]):
            await asyncio.sleep(max(0.0, at_s - self.seconds()))
            if what == "office":
                self.crash_office("killed")
            else:
                self.begin(self._reboot(rng.choice(self.devices)))

    async def _reboot(self, device: Device) -> None:
        carry(device.clock)
        if device.handheld is None:
            return
        await device.crash(power=self.rng.random() < 0.5)
        await asyncio.sleep(self.rng.uniform(1, 10))
        device.boot()

    async def run(self) -> Played:
        carry(Clock(self.loop))
        self.begin(self.keep_office())
        self.begin(self.break_things())
        self.begin(self.look_at_screens())
        attending = [asyncio.ensure_future(device.attend()) for device in self.devices]
        await asyncio.sleep(self.ends_s)
        for task in (*attending, *self.tasks):
            if task.done() and not task.cancelled() and task.exception():
                raise task.exception()  # type: ignore[misc]
            task.cancel()
        self.office.close(self.now(), healed=self.liveness)
        self._judge()
        for device in self.devices:
            if device.handheld is not None:
                device.work.cancel()
                await asyncio.gather(device.work, return_exceptions=True)
                device.handheld.store.close()
        return self._played()

    def _judge(self) -> None:
        self.watch.at_the_end()
        if not self.liveness:
            return
        self.watch.converged(self.now())
        for device in self.devices:
            if device.handheld is None:
                self.watch.violate("a handheld never came back", device.number)
                continue
            store = device.handheld.store
            told = store.device()
            chain = self.office.events.get(told.device_id if told else "", [])
            self.watch.synced(device.number, store, device.witnessed, chain)

    def _played(self) -> Played:
        self.fired.update(self.acquirer.fired)
        return Played(
            self.seed,
            self.liveness,
            acked=sum(len(device.witnessed) for device in self.devices),
            stored=sum(device.kept() for device in self.devices),
            replays=self.replays,
            kills=self.fired["handheld killed"] + self.fired["power lost"]
            + self.fired["office crashed"],
            steps=self.steps,
            fired=self.fired,
            violations=self.watch.violations,
            examples=self.watch.examples,
            log=list(self.log),
            office=self.office,
            orders=self.acquirer.orders,
        )  # fmt: skip


@contextlib.contextmanager
def disks() -> Iterator[Path]:
    within = SHM if SHM.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="karcis-simulated-", dir=within) as folder:
        yield Path(folder)


def play(seed: int, *, naive: bool = False, office: MakeOffice | None = None) -> Played:
    """One seed, from the first sign-in to the end."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner, disks() as folder:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        # Whoever was on the way when the day ended finds handhelds that are closed.
        loop.set_exception_handler(lambda _loop, _context: None)
        world = World(seed, loop, folder, naive=naive, office=office)
        with governed(loop, world.rng):
            return runner.run(world.run())

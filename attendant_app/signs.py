"""Whether what hangs at a spot is what the office registered there; told without asking anybody.

A payment code's form proves nothing, as anyone can make a sound one: only the registry tells.
"""

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import qris
from attendant_app import prices, problems, recognise, shifts
from attendant_app.recognise import Kind
from attendant_app.runtime import Handheld, device_time
from attendant_app.scanner import MOST_CODES
from domain.events import EventKind
from domain.sign import SignFault
from domain.sign_link import Newest, SignVerdict, read, verify
from qris.registry import Registration, compare

DUE_S = 3 * 24 * 3600
"""When a sign is due again, until the office has said so."""


@dataclass(frozen=True)
class Finding:
    """What one code on a sign is; `seen` is what a person knows it by."""

    fault: SignFault | None
    seen: dict[str, str | None]


def judge(master: Mapping[str, Any], site: str, spot: str, text: str) -> Finding:
    """One scanned code, against the registry of this spot and of all others."""
    if text.startswith("000201"):
        return _payment(master.get("signs", {}), spot, text)
    keys = _keys(master)
    verdict = verify(text, site, keys, spot, _newest(master, spot))
    if verdict is not SignVerdict.NOT_A_SIGN:
        return _signed(verdict, site, text)
    found = recognise.read(text, site)
    if text == f"{site}/p/{spot}":
        # An office without a key can make no other sign.
        return Finding(SignFault.UNSIGNED if keys else None, {"spot": spot})
    if found.kind is Kind.SPOT and text.startswith(f"{site}/"):
        known = prices.spot_in(master, found.name) is not None
        fault = SignFault.OTHER_DATA if found.name == spot else SignFault.OTHER_SPOT
        return Finding(fault if known else SignFault.OLD, {"spot": found.name})
    if found.kind in (Kind.WEB, Kind.IMPOSTER) and not text.startswith(f"{site}/"):
        return Finding(SignFault.OTHER_SITE, {"host": found.name})
    return Finding(SignFault.NOT_A_SIGN, {"what": found.kind.value})


FAULTS = {
    SignVerdict.GENUINE: None,
    SignVerdict.FORGED: SignFault.FORGED,
    SignVerdict.OTHER_KEY: SignFault.OTHER_KEY,
    SignVerdict.OTHER_SPOT: SignFault.OTHER_SPOT,
    SignVerdict.OLD: SignFault.OLD,
    SignVerdict.NEWER: SignFault.NEWER,
}


def _signed(verdict: SignVerdict, site: str, text: str) -> Finding:
    link = read(text, site)
    seen = {"spot": link.spot, "version": str(link.version)} if link else {}
    return Finding(FAULTS[verdict], dict(seen))


def _keys(master: Mapping[str, Any]) -> dict[str, bytes]:
    """The office's public keys, as this device was last told them."""
    told = (master.get("proofs") or {}).get("keys") or {}
    return {str(name): b64decode(key) for name, key in told.items()}


def _newest(master: Mapping[str, Any], spot: str) -> Newest | None:
    told = (master.get("signs", {}).get("made") or {}).get(spot)
    return Newest(int(told["version"]), bool(told["in_force"])) if told else None


def _payment(signs: Mapping[str, Any], spot: str, text: str) -> Finding:
    try:
        payload = qris.parse(text)
    except qris.QrisError as error:
        broken = error.code.startswith("crc") or error.code == "malformed-tlv"
        return Finding(SignFault.CRC if broken else SignFault.NOT_A_SIGN, {"what": error.code})
    seen = {"name": recognise.short(payload.name), "nmid": payload.nmid}
    return Finding(_fault(signs, spot, payload), seen)


def _fault(signs: Mapping[str, Any], spot: str, payload: qris.QrisPayload) -> SignFault | None:
    posted = signs.get("posted", ())
    here = [code for code in posted if code["spot_code"] == spot and not code["retired"]]
    if any(_is(code, payload) for code in here) and not payload.is_dynamic:
        return None
    ours = [code for code in (*posted, signs.get("merchant")) if code]
    if payload.nmid is None or payload.nmid not in {code["nmid"] for code in ours}:
        names = {_plain(code["name"]) for code in ours}
        return SignFault.SAME_NAME if _plain(payload.name) in names else SignFault.OTHER_NMID
    if payload.is_dynamic:
        return SignFault.ONE_TIME
    for code in posted:
        if _is(code, payload):
            return SignFault.OLD if code["retired"] else SignFault.OTHER_SPOT
    return SignFault.OTHER_DATA if here else SignFault.STATIC


def _is(code: Mapping[str, Any], payload: qris.QrisPayload) -> bool:
    registered = Registration(
        nmid=code["nmid"],
        pan=code["pan"],
        criteria=code["criteria"] and qris.Criteria(code["criteria"]),
        mcc=code["mcc"],
        name=code["name"],
        amount_rp=code["amount_rp"],
    )
    # Where no amount was registered, a code that asks for one is another code.
    return not compare(registered, payload) and (payload.amount is None) == (
        code["amount_rp"] is None
    )


def _plain(name: str) -> str:
    """As the eye takes a name: letters and digits only."""
    return "".join(c for c in name.casefold() if c.isalnum())


# Checks


def check(handheld: Handheld, spot: str, texts: list[str]) -> Finding:
    """Judge all codes of a picture and record the worst; nothing to read is no genuine sign."""
    shifts.on_shift(handheld)
    master = handheld.store.master_data() or {}
    if prices.spot_in(master, spot) is None:
        raise problems.UnknownSpot
    site = recognise.site_of(handheld)
    found = [judge(master, site, spot, text.strip()) for text in texts[:MOST_CODES]]
    found.sort(key=lambda finding: finding.fault is None)
    finding = found[0] if found else Finding(SignFault.MISSING, {})
    _record(handheld, spot, finding)
    return finding


def _record(handheld: Handheld, spot: str, finding: Finding) -> None:
    now = device_time()
    fault = finding.fault and finding.fault.value
    body = {"spot": spot, "fault": fault, "seen": finding.seen}
    with handheld.store.transaction():
        handheld.record(EventKind.SIGN_CHECKED, body, now)
        handheld.store.db.execute(
            "INSERT INTO sign_checks VALUES (?, ?, ?)"
            " ON CONFLICT (spot) DO UPDATE SET at = excluded.at, fault = excluded.fault",
            (spot, now.isoformat(), fault),
        )
    handheld.nudge()


def invited(handheld: Handheld) -> bool:
    """Whether nobody has looked at any sign since this shift began."""
    began = datetime.fromisoformat(shifts.on_shift(handheld).started_at)
    rows = handheld.store.db.execute("SELECT at FROM sign_checks")
    return all(datetime.fromisoformat(row["at"]) < began for row in rows)


@dataclass(frozen=True)
class Standing:
    """A spot, and when its sign was last checked by this device or any other."""

    spot: dict[str, Any]
    checked_at: datetime | None
    fault: str | None
    is_due: bool


def standings(handheld: Handheld) -> list[Standing]:
    """Wrong signs first, then those that are due, the longest unchecked first."""
    master = handheld.store.master_data() or {}
    signs = master.get("signs", {})
    due = timedelta(seconds=int(signs.get("due_s", DUE_S)))
    told = signs.get("checked", {})
    rows = handheld.store.db.execute("SELECT spot, at, fault FROM sign_checks")
    own = {row["spot"]: {"at": row["at"], "fault": row["fault"]} for row in rows}
    now = handheld.office_time()
    found = []
    for spot in master.get("spots", ()):
        checks = [c for c in (told.get(spot["code"]), own.get(spot["code"])) if c]
        last: dict[str, Any] | None = max(
            checks, key=lambda c: datetime.fromisoformat(c["at"]), default=None
        )
        at = datetime.fromisoformat(last["at"]) if last else None
        is_due = at is None or now - at >= due
        found.append(Standing(spot, at, last["fault"] if last else None, is_due))
    return sorted(
        found,
        key=lambda s: (
            s.fault is None,
            not s.is_due,
            s.checked_at is not None,
            s.checked_at or now,
        ),
    )

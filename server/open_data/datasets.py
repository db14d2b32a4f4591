"""The datasets for people and portals: what each is called, and its rows in each format."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from domain.closure import Closure
from domain.tariff import Band, FlatRate, TariffVersion, VehicleClass
from server.open_data.service import HourOfUse, Occupancy, Zone, blur, holidays, windows

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Dataset:
    """One dataset in Bahasa and English. `columns` are its CSV's, and its JSON items' names.

    `fresh` is how often it changes, as an ISO 8601 duration; empty where the office decides.
    """

    name: str
    title_id: str
    title_en: str
    about_id: str
    about_en: str
    columns: tuple[str, ...]
    fresh: str = ""
    formats: tuple[str, ...] = ("json", "csv")

    def title(self, language: str) -> str:
        return self.title_en if language == "en" else self.title_id

    def about(self, language: str) -> str:
        return self.about_en if language == "en" else self.about_id


ZONES = Dataset(
    "zones",
    "Zona parkir",
    "Parking zones",
    "Kawasan dengan satu tarif, titik tengahnya, dan berapa titik parkir di dalamnya.",
    "Areas of one tariff, their centre, and how many parking spots are in them.",
    ("code", "name", "latitude", "longitude", "spots", "exclusive_spots"),
)
SPOTS = Dataset(
    "spots",
    "Titik parkir",
    "Parking spots",
    "Setiap titik parkir: kode pada papannya, tempat, koordinat, dan tautan untuk membayar.",
    "Every marked parking spot: the code on its sign, place, coordinates, and the link to pay.",
    ("code", "zone", "place", "latitude", "longitude", "exclusive", "pay_url"),
    formats=("json", "csv", "geojson"),
)
TARIFFS = Dataset(
    "tariffs",
    "Tarif parkir",
    "Parking tariffs",
    "Harga menurut zona, jenis kendaraan dan jam, dengan pasal yang menetapkannya.",
    "Prices by zone, vehicle class and time of day, with the article that sets them.",
    (
        "zone",
        "vehicle_class",
        "kind",
        "first_rp",
        "next_hour_rp",
        "daily_cap_rp",
        "free_minutes",
        "weekdays",
        "holidays",
        "from",
        "until",
        "valid_from",
        "valid_until",
        "event",
        "regulation",
    ),
)
CLOSURES = Dataset(
    "closures",
    "Penutupan sementara",
    "Temporary closures",
    "Titik dan zona yang sedang atau akan ditutup, dan mengapa; tanpa titik berarti seluruh zona.",
    "Spots and zones that are closed now or will be, and why; without a spot, all of the zone.",
    ("zone", "spot", "reason", "from", "until"),
    fresh="PT1M",
)
OCCUPANCY = Dataset(
    "occupancy",
    "Kendaraan yang sedang parkir",
    "Vehicles parked now",
    "Perkiraan jumlah kendaraan per zona dan jenis, 15 sampai 30 menit lalu, dibulatkan ke lima.",
    "Estimated vehicles by zone and class, 15 to 30 minutes ago, to the nearest five.",
    ("zone", "vehicle_class", "vehicles"),
    fresh="PT15M",
)
HOURLY_USE = Dataset(
    "hourly-use",
    "Pemakaian per jam",
    "Hourly use",
    "Kendaraan yang datang dan yang berada di tiap zona pada tiap jam yang lewat, dibulatkan.",
    "Vehicles that came to each zone, and that stood there, in each hour that is over; rounded.",
    ("zone", "vehicle_class", "hour", "arrivals", "standing"),
    fresh="PT1H",
)
DATASETS = {it.name: it for it in (ZONES, SPOTS, TARIFFS, CLOSURES, OCCUPANCY, HOURLY_USE)}


def zone_rows(zones: Sequence[Zone]) -> list[Row]:
    return [
        {
            "code": zone.code,
            "name": zone.name,
            "latitude": zone.centre[0],
            "longitude": zone.centre[1],
            "spots": len(zone.spots),
            "exclusive_spots": sum(spot.exclusive for spot in zone.spots),
        }
        for zone in zones
    ]


def spot_rows(zones: Sequence[Zone], base_url: str) -> list[Row]:
    return [
        {
            "code": spot.code,
            "zone": zone.code,
            "place": spot.place,
            "latitude": spot.latitude,
            "longitude": spot.longitude,
            "exclusive": spot.exclusive,
            "pay_url": f"{base_url}/p/{spot.code}",
        }
        for zone in zones
        for spot in zone.spots
    ]


def tariff_rows(tariffs: Sequence[tuple[str, TariffVersion]]) -> list[Row]:
    """A row for each price: of all hours, and of each window of time with another price.

    A window that is there by weekday and on holidays has two, as these go before those.
    """
    return [
        row
        for zone, version in tariffs
        for kind, rate in version.rates.items()
        for row in (_tariff_row(zone, version, kind, *window) for window in windows(version, rate))
    ]


def _tariff_row(
    zone: str, version: TariffVersion, kind: VehicleClass, band: Band | None, of_holidays: bool
) -> Row:
    rate = version.rates[kind]
    flat = isinstance(rate, FlatRate)
    first_rp = rate.amount_rp if isinstance(rate, FlatRate) else rate.first_hour_rp
    next_rp = None if isinstance(rate, FlatRate) else rate.next_hour_rp
    return {
        "zone": zone,
        "vehicle_class": kind.value,
        "kind": "flat" if flat else "hourly",
        "first_rp": first_rp if band is None else band.first_rp,
        "next_hour_rp": next_rp if band is None else band.next_rp,
        "daily_cap_rp": None if isinstance(rate, FlatRate) else rate.daily_cap_rp,
        "free_minutes": None if isinstance(rate, FlatRate) else rate.free_minutes,
        "weekdays": None
        if band is None or of_holidays
        else " ".join(map(str, sorted(band.weekdays))),
        "holidays": " ".join(map(str, holidays(version))) if of_holidays else None,
        "from": None if band is None else f"{band.starts:%H:%M}",
        "until": None if band is None else f"{band.ends:%H:%M}",
        "valid_from": version.valid_from.isoformat(),
        "valid_until": None if version.valid_until is None else version.valid_until.isoformat(),
        "event": version.event or None,
        "regulation": version.regulation,
    }


def closure_rows(closures: Sequence[Closure], timezone: ZoneInfo) -> list[Row]:
    return [
        {
            "zone": closure.zone,
            "spot": closure.spot or None,
            "reason": closure.reason.value,
            "from": closure.starts.astimezone(timezone).isoformat(),
            "until": closure.ends and closure.ends.astimezone(timezone).isoformat(),
        }
        for closure in closures
    ]


def occupancy_rows(zones: Sequence[Zone], counted: Sequence[Occupancy]) -> list[Row]:
    """A row for every zone and class, also where nobody stands."""
    known = {(row.zone_id, row.vehicle_class): row.vehicles for row in counted}
    return [
        {
            "zone": zone.code,
            "vehicle_class": kind.value,
            "vehicles": blur(known.get((zone.id, kind), 0)),
        }
        for zone in zones
        for kind in VehicleClass
    ]


def use_rows(zones: Sequence[Zone], hours: Sequence[HourOfUse], timezone: ZoneInfo) -> list[Row]:
    """A row for every hour with more than a few vehicles; what is left out is none to three."""
    codes = {zone.id: zone.code for zone in zones}
    return [
        {
            "zone": codes[row.zone_id],
            "vehicle_class": row.vehicle_class.value,
            "hour": row.hour.astimezone(timezone).isoformat(),
            "arrivals": blur(row.arrivals),
            "standing": blur(row.standing),
        }
        for row in hours
        if blur(row.standing)
    ]


def as_json(dataset: Dataset, rows: Sequence[Row], told: Mapping[str, str]) -> bytes:
    """`told` is who publishes it under which licence, and of when the rows are."""
    return orjson.dumps({"dataset": dataset.name, **told, "items": rows})


def as_csv(dataset: Dataset, rows: Sequence[Row]) -> bytes:
    """After RFC 4180, with a header line; what is empty is not said."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, dataset.columns)
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(value) for name, value in row.items()})
    return out.getvalue().encode()


def _cell(value: object) -> object:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else value


def as_geojson(rows: Sequence[Row]) -> bytes:
    """After RFC 7946: a point for each row, longitude first."""
    features = [
        {
            "type": "Feature",
            "id": row["code"],
            "geometry": {"type": "Point", "coordinates": [row["longitude"], row["latitude"]]},
            "properties": {k: v for k, v in row.items() if k not in ("latitude", "longitude")},
        }
        for row in rows
    ]
    return orjson.dumps({"type": "FeatureCollection", "features": features})

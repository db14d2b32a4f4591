"""What the regency tells everybody, and that nothing in it is of one vehicle."""

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from fastapi import FastAPI
from jsonschema import Draft202012Validator

from domain.closure import ClosureReason
from domain.parking import spot_code
from domain.tariff import tariff_from_json
from server import sample
from server.database import Transactions
from server.identity import service as identity
from server.limits import RateLimit
from server.open_data import apds, cds, datasets, service
from server.open_data.datasets import DATASETS
from server.open_data.service import PeriodNotOffered, blur, period
from server.spots import closures
from server.spots import service as spots
from tests.server.open_data import shapes
from tests.server.open_data.parked import PLATE, park

HOUR = timedelta(hours=1)
CDS_JSON = {"Accept": "application/vnd.cds+json;version=1.0"}
CDS_CSV = {"Accept": "application/vnd.cds+csv;version=1.0"}
ZONE = ZoneInfo("Asia/Jakarta")


def days_ago(days: int, hour: int, minute: int = 0) -> datetime:
    """A moment by the regency's clock on a day that is over."""
    day = datetime.now(ZONE).date() - timedelta(days=days)
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZONE)


async def told(api: httpx.AsyncClient, path: str, **asked: Any) -> Any:
    answer = await api.get(f"/open-data{path}", **asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


def fits(body: Any, shape: dict[str, Any]) -> None:
    faults = [f"{e.json_path}: {e.message}" for e in Draft202012Validator(shape).iter_errors(body)]
    assert faults == []


def lines(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


async def close_a_zone(transactions: Transactions) -> None:
    now = datetime.now(UTC)
    async with transactions.begin() as db:
        officer = await identity.officer_named(db, sample.OFFICER)
        told = {"starts": None, "ends": now + timedelta(days=1), "note": "", "now": now}
        await closures.close(db, officer, "PSR", ClosureReason.EVENT, **told)  # type: ignore[arg-type]


async def test_every_dataset_says_the_same_in_each_of_its_formats(
    api: httpx.AsyncClient, transactions: Transactions
) -> None:
    await close_a_zone(transactions)
    await park(transactions, 6, began=days_ago(1, 9, 5), ended=days_ago(1, 9, 50))
    for name, dataset in DATASETS.items():
        body = await told(api, f"/{name}.json")
        rows = (await api.get(f"/open-data/{name}.csv")).text
        assert body["items"], name
        assert body["license"].startswith("https://creativecommons.org/")
        assert body["publisher"]
        assert tuple(rows.splitlines()[0].split(",")) == dataset.columns
        assert [list(line) for line in lines(rows)][:1] == [list(body["items"][0])]
        said = {None: "", True: "yes", False: "no"}
        for line, item in zip(lines(rows), body["items"], strict=True):
            assert line == {
                k: said[v] if isinstance(v, bool) or v is None else str(v) for k, v in item.items()
            }
    points = await told(api, "/spots.geojson")
    spots = (await told(api, "/spots.json"))["items"]
    assert [f["id"] for f in points["features"]] == [spot["code"] for spot in spots]
    assert points["features"][0]["geometry"] == {
        "type": "Point",
        "coordinates": [spots[0]["longitude"], spots[0]["latitude"]],
    }


async def test_the_catalogue_leads_to_every_file(api: httpx.AsyncClient) -> None:
    answer = await api.get("/open-data/catalog.jsonld")
    assert answer.headers["content-type"] == "application/ld+json"
    catalogue = answer.json()
    fits(catalogue, shapes.CATALOGUE)
    for dataset in catalogue["dcat:dataset"]:
        for file in dataset["dcat:distribution"]:
            found = await api.get(file["dcat:accessURL"]["@id"])
            media = file["dcat:mediaType"]["@id"].split("media-types/")[1]
            assert (found.status_code, found.headers["content-type"].split(";")[0]) == (200, media)


async def test_few_vehicles_are_told_of_nobody(
    api: httpx.AsyncClient, transactions: Transactions
) -> None:
    began = days_ago(2, 10)
    await park(transactions, 3, began=began, ended=began + timedelta(hours=1))
    await park(transactions, 4, began=began, ended=began + timedelta(hours=1), kind="car")
    asked = {"from": f"{began:%Y-%m-%d}", "until": f"{began:%Y-%m-%d}"}
    use = (await told(api, "/hourly-use.json", params=asked))["items"]
    [row] = use
    assert (row["vehicle_class"], row["arrivals"], row["standing"]) == ("car", 5, 5)
    assert row["hour"] == began.isoformat()
    sessions = (await told(api, "/apds/sessions", params=asked))["data"]
    assert len(sessions) == 4
    events = (await told(api, "/cds/events/events", headers=CDS_JSON))["data"]["events"]
    assert {event["vehicle_type"] for event in events} == {"car"}


@pytest.mark.parametrize(
    ("count", "shown"), [(0, 0), (3, 0), (4, 5), (7, 5), (8, 10), (12, 10), (13, 15)]
)
def test_counts_are_rounded(count: int, shown: int) -> None:
    assert blur(count) == shown


async def test_what_nobody_paid_or_recorded_is_not_counted(
    api: httpx.AsyncClient, transactions: Transactions
) -> None:
    """Nor may somebody who asks for many barcodes make a street look full."""
    at = service.occupancy_at(datetime.now(UTC))
    start = at - timedelta(minutes=30)
    await park(transactions, 40, began=start, paid=False)
    await park(transactions, 40, began=start, voided=True)
    await park(transactions, 12, began=start)
    await park(transactions, 40, began=start - timedelta(hours=4))  # a flat stay, long over
    await park(transactions, 40, began=at + timedelta(minutes=1))  # told later
    body = await told(api, "/occupancy.json")
    now = {(row["zone"], row["vehicle_class"]): row["vehicles"] for row in body["items"]}
    assert now.pop(("PSR", "motorcycle")) == 10
    assert set(now.values()) == {0}
    age = datetime.now(UTC) - datetime.fromisoformat(body["as_of"])
    assert timedelta(minutes=15) <= age < timedelta(minutes=31)
    [psr] = [
        row
        for row in (await told(api, "/apds/places"))["data"]
        if row["layer"] == 1 and row["aliases"][0][0]["string"] == "PSR"
    ]
    demand = psr["hierarchyElementReference"]["demandTable"][0]["demandType"][0]
    assert (demand["count"], demand["occupancyCalculation"]) == (10, "derived")


async def test_an_hour_is_told_once_it_is_over(
    api: httpx.AsyncClient, transactions: Transactions
) -> None:
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    await park(transactions, 9, began=hour - timedelta(hours=1), ended=hour + timedelta(hours=9))
    body = await told(api, "/hourly-use.json")
    hours = [datetime.fromisoformat(row["hour"]) for row in body["items"]]
    assert max(hours) < datetime.now(UTC) - timedelta(hours=1)
    assert hour - timedelta(hours=1) in hours or datetime.now(UTC) >= hour + timedelta(hours=1)


async def test_no_answer_holds_a_plate_or_leads_to_a_stay(
    api: httpx.AsyncClient, transactions: Transactions
) -> None:
    stays = [
        *await park(transactions, 5, began=days_ago(1, 8, 12), ended=days_ago(1, 9, 34)),
        *await park(transactions, 5, began=days_ago(1, 8, 47), ended=days_ago(1, 9, 2)),
        *await park(transactions, 9, began=days_ago(2, 8, 12)),
    ]
    spots = {spot["code"] for spot in (await told(api, "/spots.json"))["items"]}
    published = [f"/{d.name}.{form}" for d in DATASETS.values() for form in d.formats]
    feeds = ("/apds/places", "/apds/rates", "/apds/sessions", "/cds/events/events")
    texts = {
        path: (await api.get(f"/open-data{path}", headers={"Accept": "*/*"})).text
        for path in (*published, *feeds, "/cds/metrics/sessions", "/cds/metrics/aggregates")
    }
    for path, text in texts.items():
        assert not [stay for stay in stays if str(stay) in text], path
        assert PLATE not in text, path
        if "sessions" in path or "events" in path or "use" in path:
            assert not [code for code in spots if code in text], path
    sessions = json.loads(texts["/apds/sessions"])["data"]
    alike: dict[Any, int] = {}
    for session in sessions:
        key = (session["hierarchyElement"]["id"], session["actualStart"], session.get("actualEnd"))
        alike[key] = alike.get(key, 0) + 1
        assert session["actualStart"].endswith(":00:00Z")
    assert sorted(alike.values()) == [9, 10], "told of alike, although an hour lies between them"
    events = json.loads(texts["/cds/events/events"])["data"]["events"]
    ids = {event["event_session_id"] for event in events if "event_session_id" in event}
    assert len(ids) == 10
    assert not ids & {session["id"] for session in sessions}, "feeds cannot be joined"


async def test_feeds_have_the_shapes_of_their_standards(
    api: httpx.AsyncClient, transactions: Transactions
) -> None:
    await close_a_zone(transactions)
    await park(transactions, 6, began=days_ago(1, 9), ended=days_ago(1, 11))
    for path, name, shape in (
        ("/cds/curbs/zones", "zones", shapes.CURB_ZONE),
        ("/cds/curbs/areas", "areas", shapes.CURB_AREA),
        ("/cds/curbs/spaces", "spaces", shapes.CURB_SPACE),
        ("/cds/curbs/policies", "policies", shapes.POLICY),
        ("/cds/events/events", "events", shapes.EVENT),
    ):
        answer = await api.get(f"/open-data{path}", headers=CDS_JSON)
        assert answer.headers["content-type"] == "application/vnd.cds+json;version=1.0"
        fits(answer.json(), shapes.cds(name, shape))
        assert answer.json()["data"][name] or name == "spaces", path
    for path, shape in (
        ("/apds/places", shapes.PLACE),
        ("/apds/rates", shapes.RATE_TABLE),
        ("/apds/sessions", shapes.SESSION),
    ):
        body = await told(api, path)
        fits(body, shapes.apds(shape))
        assert body["data"], path
        if path != "/apds/sessions":
            fits(await told(api, f"{path}/{body['data'][0]['id']}"), shape)


async def test_each_feed_tells_what_is_closed_as_its_standard_does(
    api: httpx.AsyncClient, transactions: Transactions
) -> None:
    """A zone for a day, and one of its spots without an end, from tomorrow on."""
    before = (await told(api, "/cds/curbs/policies", headers=CDS_JSON))["data"]["policies"]
    await close_a_zone(transactions)
    later = datetime.now(UTC) + timedelta(hours=12)
    async with transactions.begin() as db:
        officer = await identity.officer_named(db, sample.OFFICER)
        when = {"starts": later, "ends": None, "note": "", "now": datetime.now(UTC)}
        await closures.close(db, officer, "PSR-001-U", ClosureReason.WORKS, **when)  # type: ignore[arg-type]
    minute = datetime.now(UTC).replace(second=0, microsecond=0)
    answer = await api.get("/open-data/apds/places")
    feed = answer.json()
    assert parsedate_to_datetime(answer.headers["last-modified"]) >= minute
    assert feed["meta"]["referenceInstant"] >= minute.timestamp()
    places = {
        row["aliases"][0][0]["string"]: row.get("operatingRestrictions", [])
        for row in feed["data"]
        if "aliases" in row
    }
    assert [len(places[code]) for code in ("PSR", "PSR-001-U", "ALN")] == [1, 2, 0]
    [closed] = places["PSR"]
    assert closed["operatingRestriction"] == "noParking"
    assert "overallEndTime" in closed["times"]
    assert places["PSR-001-U"][1]["times"] == {"overallStartTime": apds.instant(later)}
    policies = (await told(api, "/cds/curbs/policies", headers=CDS_JSON))["data"]["policies"]
    assert min(row["priority"] for row in before) > cds.CLOSED_PRIORITY
    shut = {row["curb_policy_id"]: row for row in policies if row not in before}
    for row in shut.values():
        assert (row["rules"], row["priority"]) == (
            [{"activity": "no parking"}],
            cds.CLOSED_PRIORITY,
        )
    zones = (await told(api, "/cds/curbs/zones", headers=CDS_JSON))["data"]["zones"]
    spans = {
        zone["user_zone_id"]: shut[id_]["time_spans"]
        for zone in zones
        for id_ in zone["curb_policy_ids"]
        if id_ in shut
    }
    assert {code[:3] for code in spans} == {"PSR"}
    assert [len(each) for each in spans.values()] == [1] * len(spans)
    assert [code for code, (span,) in spans.items() if "end_date" not in span] == ["PSR-001-U"]
    assert len(shut) == 2, "spots that are closed together share their policy"
    async with transactions.begin() as db:
        await closures.end_all(db, officer, "PSR-001-U", "dibuka", now=datetime.now(UTC))
        await closures.end_all(db, officer, "PSR", "dibuka", now=datetime.now(UTC))
    assert (await told(api, "/cds/curbs/policies", headers=CDS_JSON))["data"]["policies"] == before
    assert not [
        row for row in (await told(api, "/apds/places"))["data"] if "operatingRestrictions" in row
    ]


def test_a_tariff_with_windows_and_a_cap_keeps_its_shape_in_both_feeds() -> None:
    window = {"from": "22:00", "until": "05:00", "weekdays": [5, 7]}
    tariff = tariff_from_json(
        {
            "regulation": "Perda uji",
            "valid_from": "2026-01-01",
            "valid_until": "2026-12-31",
            "rates": {
                "car": {
                    "kind": "hourly",
                    "first_hour_rp": 4_000,
                    "next_hour_rp": 2_000,
                    "daily_cap_rp": 20_000,
                    "bands": [{**window, "first_hour_rp": 1_000, "next_hour_rp": 500}],
                },
                "motorcycle": {"kind": "flat", "amount_rp": 2_000},
            },
        }
    )
    base, night, flat = cds.policies(tariff, ZONE)
    for policy in (base, night, flat):
        fits(policy, shapes.POLICY)
    assert [r["rate"] for r in base["rules"][0]["rate"]] == [400_000, 200_000]
    assert [r["rate"] for r in flat["rules"][0]["rate"]] == [200_000, 0]
    assert night["priority"] < base["priority"]
    before, after = night["time_spans"]
    assert (before["days_of_week"], before["time_of_day_start"]) == (["fri", "sun"], "22:00")
    assert (after["days_of_week"], after["time_of_day_end"]) == (["mon", "sat"], "05:00")
    assert cds.policies(tariff, ZONE) == [base, night, flat], "an id is of what its policy says"
    for table in apds.rates([("PSR", tariff)], cds.OURS, ZONE):
        fits(table, shapes.RATE_TABLE)


def test_prices_of_holidays_are_told_by_their_dates_and_go_first() -> None:
    prices = {"first_hour_rp": 9_000, "next_hour_rp": 4_000}
    weekend = {"from": "20:00", "until": "02:00", "weekdays": [7], "holidays": True, **prices}
    whole = {"from": "02:00", "until": "20:00", "weekdays": [], "holidays": True, **prices}
    named = {"2025-12-25": "Natal", "2025-12-31": "Uji", "2026-12-25": "Natal", "2026-12-31": "Uji"}
    tariff = tariff_from_json(
        {
            "regulation": "Perda uji",
            "valid_from": "2026-01-01",
            "valid_until": None,
            "holidays": named,
            "rates": {
                "car": {
                    "kind": "hourly",
                    "first_hour_rp": 4_000,
                    "next_hour_rp": 2_000,
                    "bands": [weekend, whole],
                }
            },
        }
    )
    base, sundays, night, day = cds.policies(tariff, ZONE)
    for policy in (base, sundays, night, day):
        fits(policy, shapes.POLICY)
    assert night["priority"] == day["priority"] < sundays["priority"] < base["priority"]
    begun, first, last = (
        {name: datetime.fromtimestamp(at / 1000, ZONE) for name, at in span.items()}
        for span in night["time_spans"]
    )
    # Begun on the evening before these prices came into force: what is left of it is asked for.
    assert begun["start_date"] == datetime(2026, 1, 1, tzinfo=ZONE)
    assert begun["end_date"] == datetime(2026, 1, 1, 2, tzinfo=ZONE)
    assert first["start_date"] == datetime(2026, 12, 25, 20, tzinfo=ZONE)
    assert last["end_date"] == datetime(2027, 1, 1, 2, tzinfo=ZONE)
    tables = apds.rates([("PSR", tariff)], cds.OURS, ZONE)
    for table in tables:
        fits(table, shapes.RATE_TABLE)
    assert len({table["id"] for table in tables}) == 4
    assert tables[3]["validity"]["validityTimeSpecification"]["validPeriods"][0] == {
        "startOfPeriod": "2026-12-24T19:00:00Z",
        "endOfPeriod": "2026-12-25T13:00:00Z",
    }
    rows = datasets.tariff_rows([("PSR", tariff)])
    assert [(row["weekdays"], row["holidays"]) for row in rows] == [
        (None, None), ("7", None), *[(None, "2026-12-25 2026-12-31")] * 2,
    ]  # fmt: skip


async def test_curbs_can_be_asked_for_by_place(api: httpx.AsyncClient) -> None:
    every = (await told(api, "/cds/curbs/zones", headers=CDS_JSON))["data"]["zones"]
    first = every[0]
    [west, south], _, [east, north], *_ = first["geometry"]["coordinates"][0]
    near = {"lat": south, "lng": west, "radius": 100}
    found = await told(api, "/cds/curbs/zones", headers=CDS_JSON, params=near)
    assert found["data"]["zones"][0]["curb_zone_id"] == first["curb_zone_id"]
    assert len(found["data"]["zones"]) < len(every)
    box = {"min_lat": south, "max_lat": north, "min_lng": west, "max_lng": east}
    found = await told(api, "/cds/curbs/zones", headers=CDS_JSON, params=box)
    assert first["curb_zone_id"] in [zone["curb_zone_id"] for zone in found["data"]["zones"]]
    area = first["curb_area_ids"][0]
    found = await told(api, f"/cds/curbs/areas/{area}", headers=CDS_JSON)
    fits(found, shapes.cds("area", shapes.CURB_AREA, many=False))
    half = await api.get("/open-data/cds/curbs/zones", headers=CDS_JSON, params={"lat": 1})
    assert half.json()["slug"] == "invalid-request"
    bare = {"area": area, "include_geometry": "false"}
    found = await told(api, "/cds/curbs/zones", headers=CDS_JSON, params=bare)
    assert all("geometry" not in zone for zone in found["data"]["zones"])


async def test_pages_lead_from_one_to_the_next(api: httpx.AsyncClient) -> None:
    seen: list[str] = []
    url: str | None = "/open-data/cds/curbs/zones?limit=17"
    while url:
        body = (await api.get(url, headers=CDS_JSON)).json()
        seen += [zone["user_zone_id"] for zone in body["data"]["zones"]]
        url = body["links"]["next"]
    spots = (await told(api, "/spots.json"))["items"]
    assert sorted(seen) == sorted(spot["code"] for spot in spots)
    assert len(seen) == len(set(seen))


async def test_metrics_are_csv(api: httpx.AsyncClient, transactions: Transactions) -> None:
    began = days_ago(1, 9)
    await park(transactions, 8, began=began, ended=began + timedelta(minutes=90))
    answer = await api.get("/open-data/cds/metrics/aggregates", headers=CDS_CSV)
    assert answer.headers["content-type"] == "application/vnd.cds+csv;version=1.0"
    rows = lines(answer.text)
    assert tuple(rows[0]) == cds.AGGREGATE_COLUMNS
    day = f"{began:%Y-%m-%d}"
    assert {(r["metric_type"], r["date"], r["hour"], r["value"]) for r in rows} == {
        ("total_sessions", day, "9", "10"),
        ("turnover", day, "9", "10"),
        ("average_dwell_time", day, "9", "90"),
    }
    sessions = lines((await api.get("/open-data/cds/metrics/sessions", headers=CDS_CSV)).text)
    assert tuple(sessions[0]) == cds.SESSION_COLUMNS
    assert len(sessions) == 8
    later = {"start_time": cds.timestamp(began + timedelta(hours=1))}
    answer = await api.get("/open-data/cds/metrics/aggregates", headers=CDS_CSV, params=later)
    assert lines(answer.text) == []


async def test_dwell_and_occupancy_are_rounded_and_of_more_than_a_few(
    api: httpx.AsyncClient, transactions: Transactions
) -> None:
    """Ten spaces; four vehicles from 9.15 to 11.00 and one more by 10.30; three alone at 14."""
    spaces = [
        f"TMN,Taman,{spot_code('TMN', number)},Jl. Taman {number},-2.5,113,yes"
        for number in range(1, 11)
    ]
    async with transactions.begin() as db:
        await spots.import_spots(db, "\n".join((",".join(spots.SPOT_FILE_COLUMNS), *spaces)))
        (tariff, *_) = [
            version for _, version in await spots.tariffs_from(db, datetime.now(ZONE).date())
        ]
        await spots.add_tariff(db, "TMN", tariff)
    began, codes = days_ago(1, 9, 15), [line.split(",")[2] for line in spaces]
    for code in codes[:4]:
        await park(transactions, 1, began=began, ended=days_ago(1, 11), spot=code)
    await park(transactions, 1, began=days_ago(1, 10, 30), ended=days_ago(1, 11), spot=codes[4])
    for code in codes[:3]:
        await park(transactions, 1, began=days_ago(1, 14), ended=days_ago(1, 15), spot=code)
    answer = await api.get("/open-data/cds/metrics/aggregates", headers=CDS_CSV)
    found = {(r["metric_type"], r["hour"]): r["value"] for r in lines(answer.text)}
    assert found == {
        ("total_sessions", "9"): "5",
        ("turnover", "9"): "5",
        ("average_dwell_time", "9"): "105",
        ("occupancy_percent", "9"): "0.30",  # four for 45 minutes of ten hours
        ("occupancy_percent", "10"): "0.45",
    }
    now = datetime.now(UTC)
    for code in codes[:4]:
        await park(transactions, 1, began=now - HOUR, ended=now + HOUR, spot=code)
    page = (await api.get("/peta")).text
    assert page.count("<dt>Kosong, kira-kira</dt><dd>5</dd>") == 1  # of ten, four are told as five
    assert (await api.get("/peta/TMN")).text.count('href="/p/TMN-') == 10
    assert (await api.get("/peta/ZZZ")).json()["slug"] == "zone-not-found"


async def test_what_has_not_changed_is_not_sent_again(api: httpx.AsyncClient) -> None:
    for path in ("zones.json", "occupancy.csv", "cds/curbs/areas", "apds/places", "catalog.jsonld"):
        first = await api.get(f"/open-data/{path}")
        assert first.headers["cache-control"].startswith("public, max-age=")
        assert first.headers["access-control-allow-origin"] == "*"
        assert 'rel="license"' in first.headers["link"]
        known = {"If-None-Match": f'W/{first.headers["etag"]}, "other"'}
        again = await api.get(f"/open-data/{path}", headers=known)
        assert (again.status_code, again.content) == (304, b""), path
    assert (await api.get("/open-data/occupancy.json")).headers["last-modified"].endswith("GMT")


@pytest.mark.parametrize(
    ("path", "accept", "slug"),
    [
        ("cds/curbs/zones", "application/vnd.cds+json;version=2.0", "version-not-offered"),
        ("cds/curbs/zones", "text/turtle", "version-not-offered"),
        ("cds/metrics/sessions", "application/vnd.cds+json", "version-not-offered"),
        ("cds/events/status", "*/*", "not-offered"),
        ("zones.xml", "*/*", "not-found"),
        ("plates.csv", "*/*", "not-found"),
        ("apds/places/nobody", "*/*", "not-found"),
        ("hourly-use.json?from=2026-01-01&until=2026-03-01", "*/*", "period-not-offered"),
        ("hourly-use.json?until=9999-12-31", "*/*", "period-not-offered"),
        ("hourly-use.json?until=0001-01-01", "*/*", "period-not-offered"),
        ("hourly-use.json?from=yesterday", "*/*", "invalid-request"),
        ("cds/metrics/sessions?end_time=253402300799000", "*/*", "period-not-offered"),
        ("cds/curbs/zones?offset=-1", "*/*", "invalid-request"),
    ],
)
async def test_what_is_not_offered_is_refused_by_name(
    api: httpx.AsyncClient, path: str, accept: str, slug: str
) -> None:
    answer = await api.get(f"/open-data/{path}", headers={"Accept": accept})
    assert answer.json()["slug"] == slug


async def test_one_address_may_ask_so_often(api: httpx.AsyncClient, app: FastAPI) -> None:
    app.state.open_data_limit = RateLimit(2)
    answers = [await api.get("/open-data/zones.json") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert int(answers[-1].headers["retry-after"]) >= 1


def test_periods_end_with_the_last_whole_hour_or_day() -> None:
    now = datetime(2026, 11, 23, 3, 20, tzinfo=UTC)  # 10.20 WIB
    week = period(None, None, now=now, zone=ZONE, whole_days=False)
    assert week.until == datetime(2026, 11, 23, 3, tzinfo=UTC)
    assert week.since == datetime(2026, 11, 16, 17, tzinfo=UTC)
    days = period(date(2026, 11, 22), None, now=now, zone=ZONE, whole_days=True)
    assert days.until - days.since == timedelta(days=1)
    with pytest.raises(PeriodNotOffered):
        period(date(2026, 11, 23), None, now=now, zone=ZONE, whole_days=True)


def _examples() -> Iterator[tuple[str, Any]]:
    """(path, JSON) of each example in docs/open-data.md: a path in backticks, then what it says."""
    text = (Path(__file__).parents[3] / "docs" / "open-data.md").read_text()
    for path, block in re.findall(r"`GET (/open-data[^`]*)`[^`]*```json\n(.*?)```", text, re.S):
        yield path, json.loads(block)


def shape_of(value: Any) -> Any:
    """Which members are where, by the first item of each list."""
    if isinstance(value, dict):
        return {key: shape_of(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape_of(value[0])] if value else []
    return type(value).__name__


async def test_the_examples_of_the_documentation_are_what_is_answered(
    api: httpx.AsyncClient, transactions: Transactions
) -> None:
    await park(transactions, 8, began=days_ago(1, 9), ended=days_ago(1, 10, 30))
    await close_a_zone(transactions)
    examples = list(_examples())
    assert len(examples) >= 8
    for path, example in examples:
        answered = (await api.get(path)).json()
        assert shape_of(answered) == shape_of(example), path

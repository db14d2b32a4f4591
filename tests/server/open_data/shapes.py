"""What the standards require of the objects we publish, written from their texts, which it names.

CDS 1.0: github.com/openmobilityfoundation/curb-data-specification, release 1.0. APDS: the OpenAPI
4.0 of github.com/parking-data-standards/apds-sandbox. DCAT-AP: release 3.0.0.
"""

from typing import Any

UUID = {"type": "string", "format": "uuid", "pattern": "^[0-9a-f-]{36}$"}
MS = {"type": "integer", "minimum": 1_000_000_000_000}
TEXT = {"type": "string", "minLength": 1}


def array(items: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, **more}


def object_(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    """No member that the standard does not know."""
    return {
        "type": "object",
        "required": list(required),
        "properties": {**required, **(optional or {})},
        "additionalProperties": False,
    }


POSITION = array({"type": "number"}, minItems=2, maxItems=2)
POINT = object_({"type": {"const": "Point"}, "coordinates": POSITION})
RING = array(POSITION, minItems=4)
POLYGON = object_({"type": {"const": "Polygon"}, "coordinates": array(RING, minItems=1)})

# CDS: curbs/README.md, Curb Zone, Curb Area, Curb Space
CURB_ZONE = object_(
    {
        "curb_zone_id": UUID,
        "geometry": POLYGON,
        "curb_policy_ids": array(UUID),
        "published_date": MS,
        "last_updated_date": MS,
        "start_date": MS,
    },
    {
        "name": TEXT,
        "user_zone_id": TEXT,
        "street_name": TEXT,
        "num_spaces": {"type": "integer"},
        "curb_area_ids": array(UUID),
        "curb_space_ids": array(UUID),
    },
)
CURB_AREA = object_(
    {
        "curb_area_id": UUID,
        "geometry": POLYGON,
        "published_date": MS,
        "last_updated_date": MS,
        "curb_zone_ids": array(UUID),
    },
    {"name": TEXT},
)
CURB_SPACE = object_(
    {
        "curb_space_id": UUID,
        "geometry": POLYGON,
        "published_date": MS,
        "last_updated_date": MS,
        "curb_zone_id": UUID,
        "length": {"type": "integer", "exclusiveMinimum": 0},
    },
    {"name": TEXT, "space_number": {"type": "integer", "minimum": 1}},
)
# CDS: curbs/README.md, Policy, Rule, Rate, Time Span
UNIT = {"enum": ["second", "minute", "hour", "day", "week", "month", "quarter", "year"]}
DURATION = {"type": "integer", "minimum": 0}
RATE = object_(
    {"rate": {"type": "integer", "minimum": 0}, "rate_unit": UNIT},
    {"increment_duration": DURATION, "start_duration": DURATION, "end_duration": DURATION},
)
CLOCK = {"type": "string", "pattern": "^[0-2][0-9]:[0-5][0-9]$"}
TIME_SPAN = object_(
    {},
    {
        "start_date": MS,
        "end_date": MS,
        "days_of_week": array({"enum": ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]}),
        "time_of_day_start": CLOCK,
        "time_of_day_end": CLOCK,
    },
)
POLICY = object_(
    {
        "curb_policy_id": UUID,
        "published_date": MS,
        "priority": {"type": "integer"},
        "rules": array(
            object_(
                {"activity": {"enum": ["parking", "no parking"]}},
                {
                    "user_classes": array({"enum": ["motorcycle", "car", "truck"]}),
                    "rate": array(RATE),
                },
            )
        ),
    },
    {"time_spans": array(TIME_SPAN)},
)
# CDS: events/README.md, Curb Event
EVENT = object_(
    {
        "event_id": UUID,
        "event_type": {"enum": ["park_start", "park_end"]},
        "event_location": POINT,
        "event_time": MS,
        "event_publication_time": MS,
        "data_source_type": {"const": "payment"},
        "data_source_device_id": UUID,
    },
    {
        "event_session_id": UUID,
        "curb_area_ids": array(UUID),
        "vehicle_type": {"enum": ["motorcycle", "car", "truck"]},
    },
)


def cds(name: str, item: dict[str, Any], *, many: bool = True) -> dict[str, Any]:
    """CDS: general-information.md, REST Endpoints and Pagination."""
    link = {"type": ["string", "null"]}
    links = object_({"first": link, "last": link, "prev": link, "next": link})
    return object_(
        {
            "data": object_({name: array(item) if many else item}),
            "version": {"const": "1.0.0"},
            "time_zone": TEXT,
            "last_updated": MS,
            "currency": {"const": "IDR"},
        },
        {"author": TEXT, "license_url": TEXT, "links": links},
    )


# APDS 4.0, components.schemas
INSTANT = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"}
POSITIVE = {"type": "integer", "minimum": 1}
TEXTS = array(
    object_({"language": {"type": "string", "pattern": "^[a-z]{2}$"}, "string": TEXT}), minItems=1
)
CLASS_NAME = {"type": "string", "pattern": "^[A-Z]+[A-Za-z0-9]+"}
VERSIONED = object_({"id": TEXT, "version": POSITIVE}, {"className": CLASS_NAME})
# `Reference` requires both members and says that one is the most; no object is both.
REFERENCE = object_({"id": TEXT, "className": TEXT})
IDENTITY = {"id": TEXT, "version": POSITIVE}
DEMAND_TABLE = object_(
    {},
    {
        "frequency": {"type": "string", "pattern": "^P"},
        "timestamp": INSTANT,
        "demandType": array(
            object_(
                {"recordDateTime": INSTANT},
                {
                    "count": {"type": "integer", "minimum": 0},
                    "occupancyCalculation": {
                        "enum": ["counted", "derived", "expected", "verified"]
                    },
                },
            )
        ),
    },
)
RESTRICTIONS = array(
    object_(
        {"operatingRestriction": {"const": "noParking"}},
        {
            "operatingRestrictionContext": TEXTS,
            "times": object_({"overallStartTime": INSTANT}, {"overallEndTime": INSTANT}),
        },
    ),
    minItems=1,
)
PLACE = object_(
    {
        **IDENTITY,
        "type": {"enum": ["campus", "identifiedArea", "place", "space", "subplaceElement"]},
        "name": TEXTS,
        "layer": {"type": "integer", "minimum": 0},
        "hierarchyElementRecord": object_({"creationTime": INSTANT}),
    },
    {
        "aliases": array(TEXTS),
        "parentId": VERSIONED,
        "childIds": array(VERSIONED),
        "timeZone": TEXT,
        "characteristics": object_(
            {}, {"openToPublic": {"type": "boolean"}, "structureType": {"const": "onStreet"}}
        ),
        "indicativePlacePointLocation": array(POINT),
        "indicativeIdentifiedAreaPointLocation": array(POINT),
        "operatingRestrictions": RESTRICTIONS,
        "hierarchyElementReference": object_(
            {"elementId": VERSIONED}, {"demandTable": array(DEMAND_TABLE)}
        ),
    },
)
CURRENCY = {"type": "string", "pattern": "^[A-Z]{3}$"}
RATE_LINE = object_(
    {
        **IDENTITY,
        "sequence": POSITIVE,
        "rateLineType": {"enum": ["flatRate", "flatRateTier", "incrementingRate"]},
        "value": {"type": "number"},
    },
    {
        "durationStart": CLOCK,
        "durationEnd": CLOCK,
        "incrementPeriod": {"type": "string", "pattern": "^PT"},
        "usageCondition": {"enum": ["fixedDuration", "fixedNumber", "once", "unlimited"]},
    },
)
RATE_TABLE = object_(
    {
        **IDENTITY,
        "rateTableName": TEXTS,
        "availability": {"enum": ["private", "public", "restricted"]},
        "validityStart": {},
        "activeTimes": {},
        "rateLineCollections": array(
            object_(
                {
                    **IDENTITY,
                    "collectionSequence": POSITIVE,
                    "applicableCurrency": CURRENCY,
                    "resetTime": CLOCK,
                    "validStart": INSTANT,
                    "relativeTimes": {"type": "boolean"},
                    "taxIncluded": {"type": "boolean"},
                    "rateLines": array(RATE_LINE, minItems=1),
                },
                {
                    "maxValueCollection": object_(
                        {"currencyType": CURRENCY, "currencyValue": {"type": "number"}}
                    )
                },
            ),
            minItems=1,
        ),
    },
    {
        "rateTableID": TEXTS,
        "rateResponsibleParty": VERSIONED,
        "rateType": {"enum": ["contract", "daily", "event", "hourly"]},
        "validity": {"type": "object", "required": ["validityStatus"]},
    },
)
SEGMENT = object_(
    {
        **IDENTITY,
        "actualStart": INSTANT,
        "assignedRight": VERSIONED,
        "validationType": array(TEXT, minItems=1),
    },
    {"actualEnd": INSTANT},
)
CREDENTIAL = object_(
    {"identifier": REFERENCE, "type": TEXT},
    {"credentialAssignedType": {"enum": ["customer", "vehicle", "other"]}},
)
SESSION = object_(
    {
        **IDENTITY,
        "actualStart": INSTANT,
        "initiator": VERSIONED,
        "identifiedCredentials": array(CREDENTIAL, minItems=1),
        "segments": array(SEGMENT, minItems=1),
    },
    {"actualEnd": INSTANT, "hierarchyElement": VERSIONED},
)


def apds(item: dict[str, Any]) -> dict[str, Any]:
    """APDS: PaginatedList."""
    whole = {"type": "integer", "minimum": 0}
    meta = {"referenceInstant": whole, "offset": whole, "pageSize": whole, "total": whole}
    return object_({"meta": object_(meta), "data": array(item)})


# DCAT-AP 3.0.0: what Catalogue, Dataset, Distribution and Data Service must have
NODE = {"type": "object", "required": ["@id"]}
SAID = array({"type": "object", "required": ["@language", "@value"]}, minItems=2)
DISTRIBUTION = {
    "type": "object",
    "required": ["@type", "dcat:accessURL", "dct:license", "dcat:mediaType"],
    "properties": {"dcat:accessURL": NODE, "dct:license": NODE, "dcat:mediaType": NODE},
}
CATALOGUE = {
    "type": "object",
    "required": ["@context", "@id", "@type", "dct:title", "dct:description", "dct:publisher"],
    "properties": {
        "@type": {"const": "dcat:Catalog"},
        "dct:title": SAID,
        "dct:description": SAID,
        "dct:publisher": {"type": "object", "required": ["@type", "foaf:name"]},
        "dct:license": NODE,
        "dcat:dataset": array(
            {
                "type": "object",
                "required": [
                    "@id",
                    "dct:title",
                    "dct:description",
                    "dct:publisher",
                    "dcat:distribution",
                ],
                "properties": {
                    "dct:title": SAID,
                    "dct:description": SAID,
                    "dcat:distribution": array(DISTRIBUTION, minItems=2),
                },
            },
            minItems=5,
        ),
        "dcat:service": array(
            {"type": "object", "required": ["dct:title", "dcat:endpointURL", "dct:conformsTo"]}
        ),
    },
}

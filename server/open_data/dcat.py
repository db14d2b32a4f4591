"""The catalogue as portals harvest it: DCAT 3 in JSON-LD, with what DCAT-AP 3 makes mandatory.

https://www.w3.org/TR/vocab-dcat-3/, https://semiceu.github.io/DCAT-AP/releases/3.0.0/
"""

from dataclasses import dataclass
from typing import Any

from server.open_data.datasets import DATASETS, Dataset

AUTHORITY = "http://publications.europa.eu/resource/authority"
CONTEXT = {
    "dcat": "http://www.w3.org/ns/dcat#",
    "dct": "http://purl.org/dc/terms/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "vcard": "http://www.w3.org/2006/vcard/ns#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
MEDIA = {
    "json": "application/json",
    "csv": "text/csv",
    "geojson": "application/geo+json",
}
FILE_TYPES = {"json": "JSON", "csv": "CSV", "geojson": "GEOJSON"}
LANGUAGES = [{"@id": f"{AUTHORITY}/language/{name}"} for name in ("IND", "ENG")]
CDS_SPECIFICATION = "https://github.com/openmobilityfoundation/curb-data-specification/tree/1.0.0"
APDS_SPECIFICATION = "https://www.iso.org/standard/81277.html"
KEYWORDS = ("parkir", "parking", "tepi jalan", "kerbside")


@dataclass(frozen=True)
class Publisher:
    """Who publishes, under which licence, from where; and where people may ask."""

    name: str
    regency: str
    license_url: str
    contact: str
    base_url: str

    @property
    def root(self) -> str:
        return f"{self.base_url}/open-data"


def catalogue(publisher: Publisher) -> dict[str, Any]:
    root = publisher.root
    return {
        "@context": CONTEXT,
        "@id": f"{root}/catalog.jsonld",
        "@type": "dcat:Catalog",
        "dct:title": _both(
            f"Data terbuka parkir {publisher.regency}", f"Open parking data of {publisher.regency}"
        ),
        "dct:description": _both(
            "Tempat, tarif dan pemakaian parkir tepi jalan, tanpa data pribadi.",
            "Places, tariffs and use of kerbside parking, without personal data.",
        ),
        "dct:publisher": _agent(publisher),
        "dct:license": {"@id": publisher.license_url},
        "dct:language": LANGUAGES,
        "foaf:homepage": {"@id": root},
        "dcat:themeTaxonomy": {"@id": f"{AUTHORITY}/data-theme"},
        "dcat:dataset": [_dataset(publisher, dataset) for dataset in DATASETS.values()],
        "dcat:service": [
            _service(publisher, "cds", "Curb Data Specification 1.0", CDS_SPECIFICATION),
            _service(publisher, "apds", "APDS (ISO/TS 5206-1)", APDS_SPECIFICATION),
        ],
    }


def _both(in_bahasa: str, in_english: str) -> list[dict[str, str]]:
    return [
        {"@language": "id", "@value": in_bahasa},
        {"@language": "en", "@value": in_english},
    ]


def _agent(publisher: Publisher) -> dict[str, Any]:
    return {
        "@id": f"{publisher.root}#publisher",
        "@type": "foaf:Agent",
        "foaf:name": publisher.name,
    }


def _dataset(publisher: Publisher, dataset: Dataset) -> dict[str, Any]:
    described = {
        "@id": _dataset_id(publisher, dataset),
        "@type": "dcat:Dataset",
        "dct:identifier": dataset.name,
        "dct:title": _both(dataset.title_id, dataset.title_en),
        "dct:description": _both(dataset.about_id, dataset.about_en),
        "dct:publisher": {"@id": f"{publisher.root}#publisher"},
        "dct:language": LANGUAGES,
        "dct:license": {"@id": publisher.license_url},
        "dct:accessRights": {"@id": f"{AUTHORITY}/access-right/PUBLIC"},
        "dcat:theme": {"@id": f"{AUTHORITY}/data-theme/TRAN"},
        "dcat:keyword": list(KEYWORDS),
        "dcat:contactPoint": {"@type": "vcard:Organization", "vcard:fn": publisher.contact},
        "dcat:distribution": [
            _distribution(publisher, dataset, format_) for format_ in dataset.formats
        ],
    }
    if dataset.fresh:
        described["dcat:temporalResolution"] = {
            "@type": "xsd:duration",
            "@value": dataset.fresh,
        }
    return described


def _distribution(publisher: Publisher, dataset: Dataset, format_: str) -> dict[str, Any]:
    url = f"{publisher.root}/{dataset.name}.{format_}"
    return {
        "@id": f"{_dataset_id(publisher, dataset)}-{format_}",
        "@type": "dcat:Distribution",
        "dcat:accessURL": {"@id": url},
        "dcat:downloadURL": {"@id": url},
        "dcat:mediaType": {"@id": f"https://www.iana.org/assignments/media-types/{MEDIA[format_]}"},
        "dct:format": {"@id": f"{AUTHORITY}/file-type/{FILE_TYPES[format_]}"},
        "dct:license": {"@id": publisher.license_url},
    }


def _service(publisher: Publisher, name: str, title: str, conforms_to: str) -> dict[str, Any]:
    return {
        "@id": f"{publisher.root}#{name}",
        "@type": "dcat:DataService",
        "dct:title": title,
        "dcat:endpointURL": {"@id": f"{publisher.root}/{name}"},
        "dct:conformsTo": {"@id": conforms_to},
        "dct:license": {"@id": publisher.license_url},
        "dct:publisher": {"@id": f"{publisher.root}#publisher"},
        "dcat:servesDataset": [
            {"@id": _dataset_id(publisher, dataset)} for dataset in DATASETS.values()
        ],
    }


def _dataset_id(publisher: Publisher, dataset: Dataset) -> str:
    return f"{publisher.root}#{dataset.name}"

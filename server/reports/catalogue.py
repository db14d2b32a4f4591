"""Every report there is, by its name."""

from collections.abc import Mapping

from server.errors import NotFound
from server.identity.service import Right, RoleNotAllowed, UnitNotAllowed
from server.reports import (
    arrears,
    complaints,
    money,
    people,
    potential,
    revenue,
    targets,
    vouchers,
)
from server.reports.table import Report


class ReportNotFound(NotFound):
    slug = "report-not-found"
    title_id = "Laporan ini tidak ada"
    title_en = "There is no such report"


REPORTS: Mapping[str, Report] = {
    report.name: report
    for part in (revenue, targets, potential, money, people, vouchers, arrears, complaints)
    for report in part.REPORTS
}


def find(name: str, rights: frozenset[Right], *, is_whole: bool = True) -> Report:
    """For who may see it; raises ReportNotFound, RoleNotAllowed or UnitNotAllowed."""
    report = REPORTS.get(name)
    if report is None:
        raise ReportNotFound(name)
    if report.needs not in rights:
        raise RoleNotAllowed
    if not (is_whole or report.keeps_to_zones):
        raise UnitNotAllowed
    return report

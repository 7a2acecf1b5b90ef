"""A report as a page."""

from chat.evaluation.report import markdown
from chat.evaluation.results import Report


def page(report: Report, baseline: Report | None = None) -> str:
    return markdown(report, baseline)

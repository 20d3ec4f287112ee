"""Campaigns: many scenarios, many seeds, several cores, one report that the book keeps."""

from sim.fuzz.campaign.report import document, keep
from sim.fuzz.campaign.run import Found, Report, ScenarioLine, campaign

__all__ = ["Found", "Report", "ScenarioLine", "campaign", "document", "keep"]

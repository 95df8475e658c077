"""Results for people and programs: HTML, Markdown, JSON, JUnit."""

from clef_sim.reporting.junit import junit
from clef_sim.reporting.report import write_report

__all__ = ["junit", "write_report"]

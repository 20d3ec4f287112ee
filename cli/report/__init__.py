"""`onebook report daily`."""

from cli.report.command import report

__all__ = ["report"]

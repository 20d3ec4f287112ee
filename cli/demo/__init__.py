"""`onebook demo`: a backtest, a paper day, a fuzz campaign, and why the paper day differed."""

from cli.demo.command import demo

__all__ = ["demo"]

"""What other programs ask: status, market, pnl and performance, on the command line and over loopback HTTP."""

from cli.api.commands import market, performance, pnl, status
from cli.api.serving import serve

__all__ = ["market", "performance", "pnl", "serve", "status"]

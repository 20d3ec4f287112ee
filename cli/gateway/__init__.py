"""The commands of the simulated gateway: run it, record and compare what gateways say."""

from cli.gateway.command import gateway

__all__ = ["gateway"]

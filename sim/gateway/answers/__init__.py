"""The answers: one function a request, found by the request's name."""

from sim.gateway.answers import account, bars, depth, orders, others, reference, ticks  # noqa: F401
from sim.gateway.answers.registry import HANDLERS, Answers

__all__ = ["HANDLERS", "Answers"]

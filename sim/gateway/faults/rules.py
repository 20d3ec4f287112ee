"""Rules: which fault, when, how often, with which numbers.

Theory of operation. An Injector is a name, a sentence, its parameters with their defaults, and the
function that does it at one hook. A Rule is an injector as a plan asks for it, with its
conditions. Conditions about orders are decided once for each order and remembered, so all
messages of one order suffer alike. Chance is drawn from the seed and the rule's place in
the plan: the same plan does the same things on every machine.
"""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple

from sim.gateway.core.chance import key_of, uniform
from sim.gateway.core.config import SECOND_NS

if TYPE_CHECKING:
    from sim.gateway.core.gateway import Gateway
    from sim.gateway.desk.orders import Order

Values = dict[str, Any]
Item = tuple[int, str, Values]
"""A message on its way out: delay in nanoseconds, name, values."""
HOOKS = ("request", "batch", "start", "admit", "parts", "cut", "shut", "placed")


class Injector(NamedTuple):
    """One entry of the catalogue."""

    name: str
    hook: str
    says: str
    defaults: Values
    function: Callable[..., Any]


CATALOGUE: dict[str, Injector] = {}


def fault(name: str, hook: str, **defaults: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a function into the catalogue; its docstring says what it does."""
    if hook not in HOOKS:
        raise ValueError(f"{hook!r} is no hook; there are {', '.join(HOOKS)}")

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        says = " ".join((function.__doc__ or "").split())
        CATALOGUE[name] = Injector(name, hook, says, defaults, function)
        return function

    return register


class When(NamedTuple):
    """The conditions of a rule; what is not set holds always."""

    after: float = 0.0
    """Seconds since the gateway began."""
    until: float = 0.0
    nth: int = 0
    """Only the nth order, request or connection that fits; counted from 1."""
    times: int = 0
    """At most so many."""
    chance: float = 1.0
    ref: str = ""
    """A pattern for the order reference, `run1:*`."""
    client: int = -1


class Rule:
    """An injector as a plan asks for it."""

    def __init__(self, injector: Injector, when: When, params: Values, seed: int, place: int) -> None:
        self.injector, self.when, self.params = injector, when, {**injector.defaults, **params}
        self.gateway: Gateway
        self.state: dict[Any, Any] = {}
        self._key = key_of("fault", seed, place, injector.name)
        self._fit = self._done = 0
        self._picked: dict[Order, bool] = {}

    def __getitem__(self, name: str) -> Any:
        """Return a parameter."""
        return self.params[name]

    def ns(self, name: str) -> int:
        """Return a parameter of seconds as nanoseconds."""
        return int(self.params[name] * SECOND_NS)

    def elapsed(self) -> float:
        """Return the seconds since the gateway began."""
        return (self.gateway.schedule.now_ns - self.gateway.config.start_ns) / SECOND_NS

    def in_time(self) -> bool:
        """Say whether now lies within the rule's span."""
        return self.when.after <= self.elapsed() and (not self.when.until or self.elapsed() < self.when.until)

    def fires(self, client: int = -1) -> bool:
        """Say whether the rule applies to this occasion, and count it."""
        when = self.when
        if not self.in_time() or (when.client >= 0 and client >= 0 and when.client != client):
            return False
        self._fit += 1
        if (when.nth and self._fit != when.nth) or (when.times and self._done >= when.times):
            return False
        if when.chance < 1 and uniform(self._key, self._fit) >= when.chance:
            return False
        self._done += 1
        return True

    def picks(self, order: Order | None) -> bool:
        """Say whether the rule applies to an order; decided once."""
        if order is None:
            return False
        known = self._picked.get(order)
        if known is None:
            fits = not self.when.ref or fnmatchcase(order.ref(), self.when.ref)
            known = self._picked[order] = fits and self.fires(order.client_id)
        return known

    def draw(self, place: int) -> float:
        """Return a number in [0, 1) for a place, the same in every run."""
        return uniform(self._key ^ 0xD4A3, place)

"""What no broker could take for an order is refused where the bot wrote it, in words."""

from __future__ import annotations

import pytest

from sim.fuzz import World, explore
from sim.fuzz.ports import Desk


@pytest.mark.parametrize(
    ("words", "said"),
    [((None, 5), "ended with TypeError: place(None, ...): a symbol is a text"), (("", 5), "place('', ...): a symbol is a text"),
     (("AAPL", -5), "ended with ValueError: place('AAPL', -5): a quantity is a whole number above 0; side=-1 sells"),
     (("AAPL", 0), "a whole number above 0"), (("AAPL", 2.5), "place('AAPL', 2.5)"), (("AAPL", True), "place('AAPL', True)"),
     (("AAPL", 5, 0), "side is 1 (buy) or -1 (sell)"), (("AAPL", 5, "BUY"), "side='BUY'")],
)  # fmt: skip
def test_what_is_no_order_is_refused_before_it_travels(words, said):
    def scenario(world: World) -> None:
        desk = Desk(world)

        async def main() -> None:
            await desk.broker.place(*words)

        world.process("bot", main)
        world.always("nothing arrived", lambda: not desk.broker.orders)

    found = explore(scenario, schedules=2).failure
    assert found is not None and found.invariant == "no exception" and said in found.message


def test_an_order_that_was_never_placed_cannot_be_cancelled():
    def scenario(world: World) -> None:
        desk = Desk(world)

        async def main() -> None:
            await desk.broker.cancel(77)

        world.process("bot", main)

    found = explore(scenario, schedules=2).failure
    assert found is not None and found.message == "bot ended with Rejected: there is no order 77 to cancel (test_ports.py, line 37)"

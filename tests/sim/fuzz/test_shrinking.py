"""What is shrunk and told by its choices is still the same schedule."""

from __future__ import annotations

import asyncio
from string import ascii_uppercase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.fuzz import Diverged, World, explore, replay, tokens
from sim.fuzz.choices import LabelledTape, Tape
from sim.fuzz.explore import Failure, Profile, Scenario, failure_of, sample
from sim.fuzz.ports import Desk
from sim.fuzz.replay import Onward, Script, perform, told
from sim.fuzz.shrink import shrink
from sim.fuzz.shrink.orders import as_one_life, heirs
from sim.fuzz.shrink.stories import Line, shorter
from sim.fuzz.zoo.scenarios import SCENARIOS

LABELS = ("wish", "order", "delay")


@given(st.sampled_from(sorted(SCENARIOS)), st.integers(0, 5), st.integers(0, 40))
def test_a_schedule_told_by_its_choices_replays_strictly_to_the_same_moves(name: str, seed: int, number: int) -> None:
    scenario = SCENARIOS[name]
    world, found = sample(scenario, seed, number, Profile())
    script = Script(again := World(Tape(script=[draw.value for draw in world.tape.draws])), world.trace, True)
    assert str(perform(scenario, again, script)) == str(found) and again.trace == world.trace
    short = told(again.trace, script.chosen)
    last, refound = replay(scenario, short, draws=[draw.value for draw in world.tape.draws])
    assert last.trace == world.trace and str(refound) == str(found)
    assert not short or not isinstance(short[-1], Onward), "what follows by itself is left out"


def test_a_counted_schedule_fails_loudly_at_the_first_move_that_cannot_happen() -> None:
    with pytest.raises(Diverged, match="move 2 of 2 is 'A9' and cannot happen"):
        replay(SCENARIOS["no_lock"], (Onward("*3"), "A9"))


def test_a_lane_that_is_called_like_a_count_is_a_lane() -> None:
    def scenario(world: World) -> None:
        async def main() -> None:
            world.post("*2", "report", lambda: None)
            await world.io("work")

        world.process("bot", main)

    world, found = replay(scenario, ("*2", "A"))
    assert found is None and world.trace == ["*2", "A"]


COUNTED = st.lists(st.one_of(st.sampled_from(["A1", "A1!lost", "A2~1", "crash.A", "*3", "a^2"]), st.builds(lambda n: Onward(f"*{n}"), st.integers(1, 99))))


@given(COUNTED, st.lists(st.sampled_from([0, 0, 1, 10, 399])))
def test_a_token_of_the_third_format_says_what_it_was_made_of(steps: list[str], draws: list[int]) -> None:
    long = Failure("", "", ("A1", "A2") * 60, {"signals": 8}, tuple(draws))
    said = tokens.read(token := tokens.make("zoo.no_lock", SCENARIOS["no_lock"], long, tuple(steps)))
    assert token.startswith("fz3:") and said.steps == tuple(steps)
    assert [type(step) for step in said.steps] == [type(step) for step in steps]
    assert [*said.draws, *[0] * (len(draws) - len(said.draws))] == draws


@given(st.lists(st.tuples(st.sampled_from(LABELS), st.integers(0, 9))), st.integers(0, 2))
def test_a_labelled_tape_answers_each_label_in_turn_whatever_is_drawn_between(asked: list[tuple[str, int]], skipped: int) -> None:
    values: dict[str, list[int]] = {}
    for label, value in asked:
        values.setdefault(label, []).append(value)
    kept = [pair for pair in asked if pair[0] != LABELS[skipped]]
    tape = LabelledTape(values)
    assert [tape.draw(label, 10) for label, _ in kept] == [value for _, value in kept]
    assert tape.draw("nobody told this", 5) == 0 and tape.draw(LABELS[skipped], 2) <= 1


def test_what_does_not_fail_is_not_shrunk() -> None:
    with pytest.raises(ValueError, match="does not break 'no such thing'"):
        shrink(SCENARIOS["no_lock"], Failure("no such thing", "", ("A",), {}))


def drawing(world: World) -> None:
    """Fail for what was drawn for the third signal alone; a check stumbles where there are two signals."""
    sizes = [world.draw("size", 8) for _ in range(world.dial("signals", 6))]
    done: list[int] = []

    async def main() -> None:
        for size in sizes:
            await world.io("work", lambda size=size: done.append(size))  # type: ignore[misc]

    world.process("bot", main)
    world.always("no seven", lambda: 7 not in done)
    world.at_end("two is no number", lambda: [True][len(sizes) == 2])


def test_a_failure_of_data_comes_down_to_the_signal_that_was_drawn_badly() -> None:
    world, found = replay(drawing, (), draws=(1, 2, 7, 3, 4, 5))
    assert found is not None
    made = shrink(drawing, failure_of(world, found))
    assert (made.failure.dials, made.failure.draws, made.needed, made.after.choices) == ({"signals": 1}, (7,), (), 0)


@pytest.mark.parametrize("name", ["no_lock", "stale_snapshot", "send_then_record"])
def test_shrinking_keeps_the_invariant_and_its_bound(name: str) -> None:
    scenario = tokens.resolve(f"zoo.{name}")
    failure = explore(scenario, schedules=60).failure
    assert failure is not None
    for reruns in (1, 7, 30):
        made = shrink(scenario, failure, reruns)
        _, found = replay(scenario, made.needed, dials=made.failure.dials, draws=made.failure.draws)
        assert made.reruns <= reruns and found is not None and found.name == failure.invariant


def twins_buy_twice(world: World) -> None:
    """Fail where two lives of the program that look at the same time both buy, whether or not one came up after a crash."""
    bought: list[str] = []

    async def main() -> None:
        if not bought:
            await world.io("look")
            await world.io("order", lambda: bought.append("AAPL"))

    world.process("bot", main)
    world.allow("crash", "twin")
    world.always("bought once", lambda: len(bought) <= 1)


@pytest.mark.parametrize("drawn", [0, 3])
def test_a_crash_that_a_failure_does_not_need_is_left_out_although_what_came_later_is_called_after_it(drawn: int) -> None:
    def scenario(world: World) -> None:
        world.draw("size", 4)
        twins_buy_twice(world)

    steps = ("A", "crash.A", "up.A", "B", "twin.B", "C", "C", "C", "B")
    world, found = replay(scenario, steps, draws=(drawn,))
    assert found is not None
    made = shrink(scenario, failure_of(world, found))
    assert [step for step in made.failure.steps if "." in step] == ["twin.A"] and set(made.failure.steps) == {"A", "B", "twin.A"}


@given(st.lists(st.sampled_from(["crash", "twin", "work"]), max_size=12), st.data())
def test_a_life_and_its_heir_become_one_and_those_after_them_move_up_by_a_letter(events: list[str], data: st.DataObject) -> None:
    alive, started, steps = ["A"], 1, ["A1!lost~1"]
    for what in events:
        one = data.draw(st.sampled_from(alive))
        if what == "work":
            steps += [f"{one}2x2", "facts.0", f"cancel.{one}1"]
            continue
        fresh, started = ascii_uppercase[started], started + 1
        steps += [f"twin.{one}"] if what == "twin" else [f"crash.{one}", f"up.{one}"]
        if what == "crash":
            alive.remove(one)
        alive.append(fresh)
        steps += [fresh, f"{fresh}3"]
    found = list(heirs(tuple(steps)))
    assert len(found) == events.count("crash")
    for fault, process, heir in found:
        lives = list(dict.fromkeys(step[0] for step in steps if step[0].isupper()))
        renamed = as_one_life(tuple(step for step in steps if step not in (fault, f"up.{process}")), process, heir)
        assert list(dict.fromkeys(step[0] for step in renamed if step[0].isupper())) == lives[:-1] and "facts.1" not in renamed


def orders_in_tasks_of_their_own(world: World) -> None:
    """Fail when an order is rejected: it is placed in a task that is numbered after those of all signals."""
    desk = Desk(world, cash=100_000, price=100)

    async def main() -> None:
        queue: asyncio.Queue[str] = asyncio.Queue()

        async def work() -> None:
            while symbol := await queue.get():
                await asyncio.create_task(desk.broker.place(symbol, 100))

        worker = asyncio.create_task(work())
        await desk.burst(queue.put, ["AAPL"] * world.dial("signals", 8))
        await queue.put("")
        await worker

    world.process("bot", main)
    world.allow("reject")


def test_signals_are_left_out_although_what_was_struck_is_numbered_after_them() -> None:
    steps = (*(f"A{number}" for number in range(2, 10)), "A10!reject", "A10")
    world, found = replay(orders_in_tasks_of_their_own, steps)
    assert found is not None
    made = shrink(orders_in_tasks_of_their_own, failure_of(world, found))
    assert made.failure.dials == {"signals": 1} and made.failure.steps == ("A2", "A3!reject", "A3")


def two_symbols(world: World) -> None:
    """A program that orders in tasks of their own, and counts what is reported twice, twice."""
    desk, counted, tasks = Desk(world), dict[str, int](), set[asyncio.Task[int]]()

    async def handle(symbol: str) -> None:
        await desk.quote(symbol)
        tasks.add(asyncio.create_task(desk.broker.place(symbol, 100)))

    async def main() -> None:
        desk.broker.on_fill(lambda fill: counted.update({fill.symbol: counted.get(fill.symbol, 0) + fill.qty}))
        await desk.burst(handle, ["AAPL", "MSFT"])
        await asyncio.gather(*tasks)

    world.process("bot", main)
    world.allow("refill")
    desk.demand_same_book(lambda: counted)


def chased(world: World) -> None:
    """A program that cancels an order that works and sends it again; it may have been filled since it was asked about."""
    desk = Desk(world)
    desk.broker.rest_s = float(world.draw("rest", 8))

    async def again(symbol: str, number: int) -> None:
        if number in [order.number for order in await desk.broker.open_orders()]:
            await desk.broker.cancel(number)
            await desk.broker.place(symbol, 100)

    async def main() -> None:
        tasks = set()

        async def handle(symbol: str) -> None:
            number = await desk.broker.place(symbol, 100)
            asyncio.get_running_loop().call_later(5, lambda: tasks.add(asyncio.create_task(again(symbol, number))))

        await desk.burst(handle, ["AAPL", "MSFT"][: world.dial("symbols", 2)])
        await asyncio.sleep(20)

    world.process("bot", main)
    desk.demand_at_most(100, ["AAPL", "MSFT"])


@pytest.mark.parametrize(
    ("scenario", "steps", "draws", "left"),
    [(two_symbols, "A1 A1 A1 A2 A2 A2 A4!refill A4 m0 rA rA", (), "A1 A1 A1 A3!refill A3 m0 rA rA"),
     (chased, "A1 A1 A1 A2 A2 A2 A4 m0 m1 A3 A3 A4 A4 A4 A4", (5,), "A1 A1 A1 A2 m0 A2 A2 A2 A2")],
)  # fmt: skip
def test_a_signal_is_left_out_although_every_task_and_order_after_it_has_its_number_from_it(
    scenario: Scenario, steps: str, draws: tuple[int, ...], left: str
) -> None:
    world, found = replay(scenario, steps.split(), draws=draws)
    assert found is not None and world.trace == steps.split(), (found, world.trace)
    shrunk = shrink(scenario, failure_of(world, found))
    assert shrunk.failure.steps == tuple(left.split()) and shrunk.reruns <= 60


LINES = st.lists(st.builds(Line, st.sampled_from(["A1", "A2!late", "m0", "clock"]), st.sampled_from(["A1", "A2", "m0"]),
                           st.sampled_from(["", "order"]), st.sampled_from(["", "AAPL", "MSFT"])))  # fmt: skip


@given(LINES)
def test_told_lines_are_left_out_by_name_or_lane_and_the_others_keep_their_order(lines: list[Line]) -> None:
    for left in shorter(tuple(lines)):
        gone = [line for line in lines if line not in left]
        rest = iter(lines)
        assert 0 < len(left) < len(lines) and all(line in rest for line in left)
        assert len({line.name for line in gone}) == 1 or len({line.lane for line in gone}) == 1


def one_report_matters(world: World) -> None:
    """Fail when the report of an order is lost that was drawn to matter; every order has a line of its own, with noise before it."""
    ways = [world.draw("way", 8) for _ in range(world.dial("signals", 6))]
    heard: set[int] = set()

    async def main() -> None:
        for number in range(len(ways)):
            await world.io("order")
            world.post(f"line.{number}", "noise", lambda: None)
            world.post(f"line.{number}", "fill", lambda number=number: heard.add(number), faults=("lost",))  # type: ignore[misc]

    world.process("bot", main)
    world.allow("lost")
    world.at_end("heard", lambda: all(number in heard for number, way in enumerate(ways) if way == 7))


def test_a_fault_strikes_the_same_event_although_nearly_all_before_it_is_left_out() -> None:
    steps = ("A", "line.0", "A", "line.1", "line.0", "A", "A", "line.2", "line.1", "line.2", "A", "line.3", "A", "line.3!lost")
    world, found = replay(one_report_matters, steps, draws=(3, 1, 2, 7, 5, 0))
    assert found is not None
    made = shrink(one_report_matters, failure_of(world, found))
    assert (made.failure.dials, made.failure.draws, made.needed) == ({"signals": 1}, (7,), (Onward("*2"), "line.0!lost"))


def killed_in_the_middle(world: World) -> None:
    """Fail when the process ends between two of a signal's five writes; which write it is was drawn, counted over all signals."""
    signals, last = world.dial("signals", 6), world.draw("ends at write", 64)
    done: list[int] = []

    async def main() -> None:
        for write in range(5 * signals):
            await world.io("write", lambda write=write: done.append(write))  # type: ignore[misc]
            if write + 1 == last:
                return

    world.process("bot", main)
    world.at_end("whole", lambda: len(done) % 5 not in (2, 3))


@pytest.mark.parametrize("write", [18, 23, 27])
def test_a_count_is_lowered_with_the_signals_that_are_left_out(write: int) -> None:
    world, found = replay(killed_in_the_middle, (), draws=(write,))
    assert found is not None
    made = shrink(killed_in_the_middle, failure_of(world, found))
    assert made.failure.dials == {"signals": 1} and made.failure.draws in ((2,), (3,))


def crashed_after_an_order(world: World) -> None:
    """Fail when a crash comes between an order and its record, for the signal that was drawn to matter."""
    ways = [world.draw("way", 8) for _ in range(world.dial("signals", 6))]
    sent: list[int] = []
    kept: list[int] = []

    async def main() -> None:
        for number in range(len(kept), len(ways)):
            await world.io("look")
            await world.io("order", lambda number=number: sent.append(number))  # type: ignore[misc]
            await world.io("record", lambda number=number: kept.append(number))  # type: ignore[misc]

    world.process("bot", main)
    world.allow("crash")
    world.at_end("once", lambda: all(sent.count(number) == 1 for number, way in enumerate(ways) if way == 7))


def test_a_crash_comes_after_a_move_like_the_one_it_came_after() -> None:
    steps = ("A",) * (4 * 5 + 2)
    world, found = replay(crashed_after_an_order, (*steps, "crash.A"), draws=(1, 2, 3, 4, 7, 5))
    assert found is not None
    made = shrink(crashed_after_an_order, failure_of(world, found))
    assert (made.failure.dials, made.failure.draws) == ({"signals": 1}, (7,)) and made.needed == (Onward("*2"), "crash.A")

"""Code that never lets go: a loop that awaits nothing, or a wait for a real lock, is a finding and not a hang.

Theory of operation. While a search runs, an alarm of the operating system looks at the main thread once a second. Between two
looks a schedule moves thousands of times; where the same step of the same program is under way at every look, it is counted
what the step spent: processor time in code of the person's own, processor time altogether, and time in which
the whole process did nothing. Above a bound the alarm raises Spins in that code. The loop of the fuzzer knows nothing of
this, so it costs nothing there.

What may be slow and right: a first call that compiles, a big table. That is time in a library's code, under one call of the own
code, and has the larger bound. A call into C that does not return is one look, however long it took. Where a debugger
waits for its person, nothing is counted.

Spins is a SystemExit, because asyncio hands that on where it would keep any other exception in the task. Code that catches
everything is struck again and again at odd moments, until one falls between its handlers; where that does not
end it either, it is told on the terminal. A place that was convicted once is known, and has a bound of moments: so a failure of
this kind can be shrunk and drawn. Whoever waits is told after some seconds where the step is, if they asked for it.
Alarms that somebody else uses are left alone, and with them threads other than the main one.

Nothing here keeps a frame, or asks one for its variables before it is under suspicion: what a schedule made must be free
when the schedule says so, not when the alarm rings.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from asyncio import events
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import takewhile
from signal import setitimer
from types import CodeType, FrameType
from typing import Any, NamedTuple

from sim.fuzz.places import file_of, is_library, is_the_world, own_part
from sim.fuzz.processes import LANE, Faulty, ScenarioError, Violation

TICK = 1.0
"""Seconds between two looks."""
OWN, ANY, STILL = 30.0, 900.0, 30.0
"""Seconds that one step may take: of processor time in the person's own code, of processor time altogether, and without any."""
AGAIN = 2.0
"""The bound for code that was convicted before in this process."""
TELL = 5.0
"""Seconds after which a step that goes on is told, and again after twice as many."""
IDLE = 0.02
"""The part of a second of processor time below which the whole process stands still."""
STRUCK, TOLD_AFTER = 1e-6, 100_000
"""The shortest time between two strikes at code that catches everything, and after how many of them it is told."""
INVARIANT = "lets others run"
INLINE = "World.inline."
RUNS, STANDS = "runs on in {} and awaits nothing", "stands still in {}"
CURES = {RUNS: "let it await what it waits for", STANDS: "a real lock, queue or thread has one of asyncio's in its place"}
DEBUGGERS = {"bdb", "pdb", "IPython", "ipdb", "debugpy", "pydevd", "_pydevd_bundle"}
ALARMS = (("SIGALRM", "ITIMER_REAL"), ("SIGPROF", "ITIMER_PROF"), ("SIGVTALRM", "ITIMER_VIRTUAL"))


class Spins(SystemExit):
    """Raised in code that never lets go.

    Attributes:
        is_finding: a simulated program's code, and not the scenario's.
    """

    def __init__(self, text: str, is_finding: bool) -> None:
        super().__init__(text)
        self.is_finding = is_finding

    def __str__(self) -> str:
        return str(self.code)


class Spot(NamedTuple):
    """A frame of the person's own code at one look."""

    number: int
    code: CodeType
    line: int
    at: int


class Look(NamedTuple):
    """What one look saw: the own code under way, outermost first, and whether it ran itself or waited for a library."""

    spots: tuple[Spot, ...]
    is_own: bool
    cpu: float
    all_cpu: float


def _where(looks: list[Look]) -> tuple[CodeType, set[int]] | None:
    """Return the function that all looks found under way, the innermost one, and the lines it was in."""
    common = looks[0].spots
    for look in looks:
        same = [ours[:2] == theirs[:2] for ours, theirs in zip(common, look.spots, strict=False)]
        common = common[: same.index(False) if False in same else len(same)]
    if not common:
        return None
    depth = len(common) - 1
    return common[depth].code, {look.spots[depth].line for look in looks}


def _words(place: tuple[CodeType, set[int]] | None) -> str:
    """Return a place as people read it."""
    if place is None:
        return "a library"
    code, lines = place
    among = f"line {min(lines)}" if len(lines) == 1 else f"lines {min(lines)} to {max(lines)}"
    return f"{code.co_qualname.rpartition('.<locals>.')[2]} ({file_of(code)}, {among})"


def _who() -> str:
    """Return whose code runs."""
    lane = LANE.get(None)
    return lane.process.title if lane is not None and lane.process is not None else "the scenario"


def _verdict(does: str, place: str, frame: FrameType | None) -> Spins:
    """Return what is raised: a finding of the program's, a fault of the scenario, or what an executor here cannot do."""
    who = _who()
    words = does.format(place)
    if any(found.f_code.co_qualname.startswith(INLINE) for found in own_part(frame)):
        return Spins(f"{who} {words}, in an executor's function: it runs inline here and cannot wait for anybody; let it return", False)
    return Spins(f"{who} {words}, so nothing else can happen; {CURES[does]}", LANE.get(None) is not None)


class Watch:
    """What the alarm has seen of the step that is under way.

    Attributes:
        trace: the moves of the newest schedule; the world tells. verdict: what was raised and is not settled yet.
        tell: called with a line about a step that goes on; None when nobody wants to know.
    """

    def __init__(self) -> None:
        self.trace: list[str] = []
        self.verdict: Spins | None = None
        self.alarm: tuple[int, int] | None = None
        self.tell: Callable[[str], None] | None = None
        self._known: set[CodeType] = set()
        self._looks: list[Look] = []
        self._moves: tuple[Any, ...] = ()
        self._ran: list[int | None] = []
        self._strikes = self._came = 0
        self._tell_at = TELL
        self._is_looking = False

    # The alarm.

    def ring(self, _number: int, frame: FrameType | None) -> None:
        """Look at what runs; raise where it has run for too long."""
        if self.verdict is None and not self._is_looking:
            self._is_looking = True
            try:
                self._watch(frame)
            finally:
                self._is_looking = False
        if self.verdict is not None:
            self._strike(frame)

    def _watch(self, frame: FrameType | None) -> None:
        """Compare what runs with what the looks before saw, and judge it."""
        moves, look = self._progress(), self._look(frame)
        if look is None or not self._same(moves):
            self._begin(look, moves)
            return
        self._looks.append(look)
        does, part = self._judged()
        self._tell(does)
        if part >= 0.5 and not self._ran:
            self._ran = [_handles(frame)]
        if part >= 1.0 and self._ran != [_handles(frame)]:
            self._begin(look, moves)
        elif part >= 1.0:
            place = _where(self._looks)
            if place is not None:
                self._known.add(place[0])
            self.verdict, self._came = _verdict(does, _words(place), frame), len(self.trace)

    def _begin(self, look: Look | None, moves: tuple[Any, ...]) -> None:
        """Begin to count anew: something moved."""
        self._looks, self._moves, self._ran, self._tell_at = [] if look is None else [look], moves, [], TELL

    def _tell(self, does: str) -> None:
        """Say that a step goes on, after some seconds and ever more seldom; of one that was convicted before all is said."""
        seconds, place = TICK * (len(self._looks) - 1), _where(self._looks)
        is_known = place is not None and place[0] in self._known
        if self.tell is not None and seconds >= self._tell_at and not is_known:
            self._tell_at = 2 * seconds
            with suppress(OSError, RuntimeError):  # the program may be in the middle of a line, or nobody listens any more
                self.tell(f"one schedule has not moved for {seconds:g} s: {_who()} {does.format(_words(place))}")

    def _same(self, moves: tuple[Any, ...]) -> bool:
        before = self._moves
        return bool(before) and before[0] is moves[0] and before[1:] == moves[1:]

    def _progress(self) -> tuple[Any, ...]:
        """Return what is otherwise as soon as anything moves."""
        loop: Any = events._get_running_loop()
        return self.trace, len(self.trace), getattr(loop, "now", None), getattr(loop, "_made", None)

    def _look(self, frame: FrameType | None) -> Look | None:
        """Look at the code under way; None where it is the fuzzer's own, or a debugger waits in it."""
        spots, is_own, module = [], None, ""
        for found in own_part(frame):
            module = str(found.f_globals.get("__name__", "")).partition(".")[0]
            if module in DEBUGGERS:
                return None
            is_known = is_library(found)
            is_own = not is_known if is_own is None else is_own
            if not is_known:
                spots.append(Spot(id(found), found.f_code, found.f_lineno, found.f_lasti))
        if not spots and LANE.get(None) is None:
            return None
        path = tuple(reversed(spots))
        moved = bool(self._looks) and [spot[::3] for spot in path] != [spot[::3] for spot in self._looks[-1].spots]
        return Look(path, bool(is_own) or moved, time.thread_time(), time.process_time())

    def _judged(self) -> tuple[str, float]:
        """Return what the step does, and which part of what it may do that is."""
        looks = self._looks
        spent = [min(after.cpu - before.cpu, 2 * TICK) for before, after in zip(looks, looks[1:], strict=False)]
        own = sum(seconds for seconds, look in zip(spent, looks[1:], strict=True) if look.is_own)
        pairs = zip(reversed(looks[:-1]), reversed(looks), strict=False)
        idle = sum(1 for _ in takewhile(lambda pair: pair[1].all_cpu - pair[0].all_cpu < IDLE * TICK, pairs))
        place = _where(looks)
        most = (AGAIN,) * 3 if place is not None and place[0] in self._known else (OWN, ANY, STILL)
        runs, stands = max(own / most[0], sum(spent) / most[1]), idle * TICK / most[2]
        return (RUNS, runs) if runs >= stands else (STANDS, stands)

    # The verdict.

    def _strike(self, frame: FrameType | None) -> None:
        """Raise the verdict in the person's code or in the schedule it belongs to, and come again soon in case it is caught."""
        verdict, alarm = self.verdict, self.alarm
        assert verdict is not None and alarm is not None
        self._strikes += 1
        if self._strikes == TOLD_AFTER:
            _on_the_terminal(f"error: {verdict}; it also catches what should end it: stop this process")
        is_there = _run_frame(frame) is not None or not all(map(is_library, own_part(frame)))
        again = Spins(str(verdict), verdict.is_finding)  # a new one each time, for what is raised again grows
        # The last thing before it is raised, so that the next strike may fall while this one is being caught.
        setitimer(alarm[1], STRUCK * (1 + self._strikes * 7 % 61))
        if is_there:
            raise again

    def settled(self) -> Violation | ScenarioError:
        """Return the verdict as what it means, and look on as before."""
        verdict = self.verdict
        assert verdict is not None and self.alarm is not None
        del self.trace[self._came :]  # what came after, where the program caught it, is the alarm's doing
        self._forget()
        setitimer(self.alarm[1], TICK, TICK)
        return Violation(INVARIANT, str(verdict)) if verdict.is_finding else ScenarioError(str(verdict))

    def _forget(self) -> None:
        self.verdict, self._strikes = None, 0
        self._begin(None, ())

    # On and off.

    @contextmanager
    def on(self, alarm: tuple[int, int]) -> Iterator[None]:
        """Look on, by an alarm that nobody uses."""
        number, timer = alarm
        self.alarm = alarm
        before = signal.signal(number, self.ring)
        setitimer(timer, TICK, TICK)
        try:
            yield
        except Spins as spins:
            raise ScenarioError(str(spins)) from None
        finally:
            self._forget()
            setitimer(timer, 0.0)
            signal.signal(number, before)
            self.alarm, self.trace = None, []


def _run_frame(frame: FrameType | None) -> FrameType | None:
    """Return the frame of the schedule that is under way, if one is."""
    while frame is not None and not is_the_world(frame):
        frame = frame.f_back
    return frame


def _handles(frame: FrameType | None) -> int | None:
    """Return how many handles have run since the last move; asked under suspicion only, for the answer keeps alive what it saw."""
    run = _run_frame(frame)
    if run is None:
        return None
    ran: int | None = run.f_locals.get("ran")
    return ran


def _free() -> tuple[int, int] | None:
    """Return an alarm that nobody uses."""
    for name, timer in ALARMS:
        number, which = getattr(signal, name, None), getattr(signal, timer, None)
        if number is None or which is None:
            continue
        if signal.getsignal(number) == signal.SIG_DFL and signal.getitimer(which) == (0.0, 0.0):
            return number, which
    return None


WATCH = Watch()


@contextmanager
def telling(tell: Callable[[str], None] | None) -> Iterator[None]:
    """Tell whoever waits where a step is that goes on for seconds, as long as this lasts."""
    before, WATCH.tell = WATCH.tell, tell
    try:
        yield
    finally:
        WATCH.tell = before


def _on_the_terminal(line: str) -> None:
    os.write(2, f"\n{line}\n".encode())


def tell_on_the_terminal(is_wanted: bool) -> None:
    """Tell it on standard error from now on: a worker has no other way to who waits."""
    WATCH.tell = _on_the_terminal if is_wanted else None


def ended_by(left: SystemExit) -> Exception:
    """Return what it means that a schedule ended with this."""
    if isinstance(left, Spins):
        return WATCH.settled()
    if isinstance(left, Faulty):
        return ScenarioError(str(left.code))
    return Violation("no exception", f"the program called sys.exit({left.code!r})")


@contextmanager
def patient() -> Iterator[None]:
    """End what never lets go, as long as this lasts.

    Raises:
        ScenarioError: code of the scenario itself spins; a program's is a finding of its schedule.
    """
    alarm = _free() if WATCH.alarm is None and threading.current_thread() is threading.main_thread() else None
    if alarm is None:
        yield
        return
    with WATCH.on(alarm):
        yield

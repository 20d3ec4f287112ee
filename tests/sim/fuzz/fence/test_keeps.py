"""What one schedule would leave on the disk is refused with the line of the bot, whichever library writes it; what changes nothing passes."""

from __future__ import annotations

import dbm.dumb
import gzip
import io
import json
import logging
import logging.handlers
import os
import pickle
import shelve
import shutil
import sqlite3
import sys
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, redirect_stdout, suppress
from io import open as open_by_name
from os import mkdir, remove, rename
from pathlib import Path
from sqlite3 import connect, dbapi2

import numpy as np
import pandas as pd
import pytest
import sqlalchemy

from sim.fuzz import Kind, World, explore
from sim.fuzz.processes import Violation

FRAME = pd.DataFrame({"price": [1.0, 2.0]})


def verdict_on(call: Callable[[Path], object], folder: Path, in_executor: bool = False) -> tuple[Kind, str]:
    """Run a program that calls something, and return the verdict and what was found."""

    def scenario(world: World) -> None:
        async def main() -> None:
            await world.io("work")
            if in_executor:
                await world.loop.run_in_executor(None, call, folder)
            else:
                call(folder)

        world.process("bot", main)

    verdict = explore(scenario, schedules=3)
    return verdict.kind, verdict.failure.message if verdict.failure else ""


def _pickles(folder: Path) -> None:
    with open(folder / "new", "wb") as file:
        pickle.dump(FRAME, file)


def _logs(folder: Path) -> None:
    logging.FileHandler(folder / "new")


def _configures_logs(folder: Path) -> None:
    logging.getLogger().handlers, before = [], logging.getLogger().handlers
    try:
        logging.basicConfig(filename=folder / "new")
    finally:
        logging.getLogger().handlers = before


WRITES: dict[str, Callable[[Path], object]] = {
    "to_csv": lambda folder: FRAME.to_csv(folder / "new"),
    "to_json": lambda folder: FRAME.to_json(folder / "new"),
    "to_pickle": lambda folder: FRAME.to_pickle(folder / "new"),
    "save": lambda folder: np.save(folder / "new.npy", FRAME.price),
    "savetxt": lambda folder: np.savetxt(folder / "new", FRAME.price),
    "tofile": lambda folder: (folder / "new").open("wb"),
    "write_text": lambda folder: (folder / "new").write_text("AAPL"),
    "touch": lambda folder: (folder / "new").touch(),
    "copy": lambda folder: shutil.copy(folder / "old", folder / "new"),
    "copytree": lambda folder: shutil.copytree(folder / "full", folder / "new"),
    "move": lambda folder: shutil.move(folder / "old", folder / "new"),
    "rmtree": lambda folder: shutil.rmtree(folder / "full"),
    "rename": lambda folder: os.rename(folder / "old", folder / "new"),
    "replace": lambda folder: (folder / "old").replace(folder / "new"),
    "remove": lambda folder: os.remove(folder / "old"),
    "unlink": lambda folder: (folder / "old").unlink(),
    "mkdir": lambda folder: (folder / "new").mkdir(),
    "makedirs": lambda folder: os.makedirs(folder / "new" / "deep"),
    "rmdir": lambda folder: os.rmdir(folder / "empty"),
    "truncate": lambda folder: os.truncate(folder / "old", 0),
    "symlink": lambda folder: os.symlink(folder / "old", folder / "new"),
    "os.open": lambda folder: os.open(folder / "new", os.O_CREAT | os.O_WRONLY),
    "pickle": _pickles,
    "gzip": lambda folder: gzip.open(folder / "new", "wb"),
    "shelve": lambda folder: shelve.open(str(folder / "new")),
    "dbm": lambda folder: dbm.dumb.open(str(folder / "new"), "c"),
    "chmod": lambda folder: (folder / "old").chmod(0o600),
    "connect": lambda folder: sqlite3.connect(folder / "new"),
    "dbapi2": lambda folder: dbapi2.connect(folder / "new"),
    "sqlalchemy": lambda folder: sqlalchemy.create_engine(f"sqlite:///{folder}/new").connect(),
    "rename by name": lambda folder: rename(folder / "old", folder / "new"),
    "remove by name": lambda folder: remove(folder / "old"),
    "mkdir by name": lambda folder: mkdir(folder / "new"),
    "open by name": lambda folder: open_by_name(folder / "new", "w"),  # noqa: SIM115
    "connect by name": lambda folder: connect(folder / "new"),
    "FileHandler": _logs,
    "basicConfig": _configures_logs,
    "to_sql": lambda folder: FRAME.to_sql("prices", sqlite3.connect(folder / "new")),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with something in it."""
    (tmp_path / "old").write_text("AAPL")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "inner").write_text("MSFT")
    (tmp_path / "empty").mkdir()
    return tmp_path


def listing(folder: Path) -> dict[str, str]:
    """Return everything that is in a folder."""
    return {str(path.relative_to(folder)): path.read_text() if path.is_file() else "/" for path in sorted(folder.rglob("*"))}


@pytest.mark.parametrize("in_executor", [False, True])
@pytest.mark.parametrize("name", WRITES)
def test_what_a_library_would_write_for_a_bot_is_refused_with_the_bots_line_and_not_written(name: str, in_executor: bool, folder: Path) -> None:
    before = listing(folder)
    kind, message = verdict_on(WRITES[name], folder, in_executor)
    assert kind is Kind.FAILED and "leaves something to the next schedule (test_keeps.py, line " in message, message
    line = int(message.partition("test_keeps.py, line ")[2].partition(")")[0])
    assert 0 <= line - WRITES[name].__code__.co_firstlineno <= 4
    assert listing(folder) == before


def test_the_librarys_function_and_the_file_are_named_and_what_to_do_instead(folder: Path) -> None:
    assert f"NDFrame.to_csv() calls open('{folder}/new'), which leaves" in verdict_on(WRITES["to_csv"], folder)[1]
    assert "save() calls open(" in verdict_on(WRITES["save"], folder)[1]
    for name in ("FileHandler", "basicConfig"):
        assert "use a handler that is made outside of the scenario" in verdict_on(WRITES[name], folder)[1]


def test_a_function_of_the_system_in_an_executor_is_blamed_on_the_line_that_awaits_it(folder: Path) -> None:
    def scenario(world: World) -> None:
        async def main() -> None:
            await world.loop.run_in_executor(None, os.rename, folder / "old", folder / "new")

        world.process("bot", main)

    found = explore(scenario, schedules=3).failure
    assert found is not None and f"(main, line {scenario.__code__.co_firstlineno + 2})" in found.message, found


def _reads(folder: Path) -> None:
    with open(folder / "old") as file:
        assert file.read() == (folder / "old").read_text() == "AAPL" and os.listdir(folder)
    with open_by_name(folder / "old") as file:
        assert file.read() == "AAPL"
    pd.read_csv(folder / "old")
    with suppress(FileNotFoundError), open(folder / "settings.json") as file:
        json.load(file)


def _says(folder: Path) -> None:
    print("AAPL", file=sys.stderr)
    logging.getLogger("bot").warning("bought")
    with open(os.devnull, "w") as nothing, redirect_stdout(nothing):
        print("unheard")
    with open(1, "w", closefd=False) as out:
        out.write("")


def _changes_nothing(folder: Path) -> None:
    (folder / "full").mkdir(exist_ok=True)
    os.makedirs(folder / "full", exist_ok=True)
    (folder / "new").unlink(missing_ok=True)
    with suppress(FileNotFoundError):
        os.remove(folder / "new")


def _is_in_memory(folder: Path) -> None:
    FRAME.to_csv(io.StringIO())
    with closing(sqlite3.connect(":memory:")) as database:
        FRAME.to_sql("prices", database)
    connect(":memory:").close()
    connect("file::memory:?cache=shared", uri=True).close()
    sqlalchemy.create_engine("sqlite://").connect().close()
    np.save(io.BytesIO(), FRAME.price)
    shutil.copyfileobj(io.BytesIO(b"a"), io.BytesIO())


def _uses_a_file_that_goes_with_it(folder: Path) -> None:
    with tempfile.TemporaryFile() as file, tempfile.NamedTemporaryFile(dir=folder) as named:
        file.write(b"a")
        named.write(b"a")


def _imports(folder: Path) -> None:
    (name,) = [path.stem for path in folder.glob("fresh_*.py")]
    __import__(name)


@pytest.mark.parametrize("call", [_reads, _says, _changes_nothing, _is_in_memory, _uses_a_file_that_goes_with_it])
def test_what_leaves_nothing_to_the_next_schedule_passes(call: Callable[[Path], None], folder: Path) -> None:
    before = listing(folder)
    assert verdict_on(call, folder) == (Kind.CUT, "")
    assert listing(folder) == before


def test_an_import_writes_its_bytecode(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "fresh_module_of_a_bot.py").write_text("ready = True")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    assert verdict_on(_imports, folder) == (Kind.CUT, "")
    assert list((folder / "__pycache__").glob("fresh_module_of_a_bot*.pyc"))


@pytest.mark.compiled
def test_a_compiler_writes_its_cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "fresh_kernel_of_a_bot.py").write_text(
        "from numba import njit\n@njit(cache=True)\ndef twice(number):\n    return 2 * number\n\ndef call():\n    return twice(3)\n"
    )
    monkeypatch.syspath_prepend(folder)

    def compiles(_folder: Path) -> None:
        import fresh_kernel_of_a_bot as kernel

        assert kernel.call() == 6

    assert verdict_on(compiles, folder) == (Kind.CUT, "")


def test_a_log_that_was_open_before_is_written_on_and_rolled_over(folder: Path) -> None:
    log = logging.getLogger("bot.with.a.file")
    handler = logging.handlers.RotatingFileHandler(folder / "bot.log", maxBytes=40, backupCount=2, delay=True)
    log.addHandler(handler)
    try:
        assert verdict_on(lambda _: [log.warning("bought 100 AAPL") for _ in range(5)], folder) == (Kind.CUT, "")
    finally:
        log.removeHandler(handler)
        handler.close()
    assert (folder / "bot.log.1").exists()


def _starts_a_pool(_folder: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(print)


def _fetches(_folder: Path) -> None:
    import urllib.request

    urllib.request.urlopen("http://127.0.0.1:9/")


def _runs(_folder: Path) -> None:
    import subprocess

    subprocess.Popen(["true"])


def _asks_the_system(_folder: Path) -> None:
    import webbrowser

    webbrowser.get("true %s").open("nowhere")


@pytest.mark.parametrize(
    ("call", "word"),
    [(_starts_a_pool, "threading.Thread.start"), (lambda _: threading.Timer(1, print).start(), "threading.Thread.start"),
     (_fetches, "socket.socket"), (_runs, "subprocess.Popen"), (_asks_the_system, "subprocess.Popen")],
)  # fmt: skip
def test_a_thread_a_socket_or_a_program_that_a_library_starts_for_a_bot_is_refused(call: Callable[[Path], object], word: str, folder: Path) -> None:
    kind, message = verdict_on(call, folder)
    assert kind is Kind.FAILED and f"{word}() in a simulated process could not be replayed (test_keeps.py, line " in message, message


def test_the_scenario_and_its_effects_and_checks_may_write(folder: Path) -> None:
    def check() -> bool:
        (folder / "checked").touch()
        return True

    def scenario(world: World) -> None:
        (folder / "made").mkdir(exist_ok=True)

        async def main() -> None:
            await world.io("work", lambda: (folder / "world.txt").write_text("the world itself may"))

        world.process("bot", main)
        world.always("may write", check)

    assert explore(scenario, schedules=3).kind is Kind.CUT
    assert {"made", "checked", "world.txt"} <= {*listing(folder)}


def test_everything_is_as_it_was_after_a_search() -> None:
    def held() -> list[object]:
        return [open, io.open, os.open, os.mkdir, os.rename, sqlite3.connect, threading.Thread.start, rename, connect, open_by_name]

    before = held()
    explore(lambda world: world.process("bot", _nothing) and None, schedules=2)
    assert held() == before
    assert issubclass(Violation, Exception)


async def _nothing() -> None: ...

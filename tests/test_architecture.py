"""The architecture, as a test: arrows, sizes, banned words. A ratchet and not a wish.

Theory of operation. A rule reads one source file and yields what is wrong with it, as
"line: sentence". Every rule runs over every file it speaks of, and every rule has
bad sources below that it must refuse and good ones that it must pass: a rule that
cannot fail proves nothing. What is larger than it should be today stands in OVERSIZE
with its size; it may shrink and may not grow, and an entry that is no longer needed
fails until it is taken out.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.architecture_samples import BAD, FINE, GOOD

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("ledger", "strategies", "sim", "live")
FOLDERS = (*ROOMS, "cli", "app", "docs", "benchmarks", "tests")

FILE_LINES, FOLDER_FILES, FUNCTION_LINES = 400, 14, 60
OVERSIZE: dict[str, int] = {}
"""Today's exceptions: lines of a file, `path::function` for a function, files of a folder."""

MAY_IMPORT = {
    "ledger": {"ledger"},
    "strategies": {"ledger", "strategies"},
    "sim": {"ledger", "strategies", "sim"},
    "live": {"ledger", "strategies", "live"},
    "app": {"ledger", "strategies", "sim", "app"},
    "docs": {"ledger", "docs", "benchmarks"},  # the pictures start the app as its benchmark does
    "cli": {"ledger", "strategies", "sim", "live", "app", "cli"},
    "onebook.py": {"cli"},
    "app_streamlit.py": {"app"},
}
OURS = {*FOLDERS, "onebook"}
IB_FILES = ("live/ib.py", "live/ib_history.py")
"""The trading connection, and the read-only one of a download: neither holds the other up."""
VECTORBT_FILE = "sim/parity/vbt.py"
LAZY = {"pandas", "vectorbt", "matplotlib", "sklearn", "exchange_calendars", "streamlit", "arch", "scipy", "pyarrow"}
"""Imported inside the function that needs them, so that no start-up waits for them."""
STARTUP = {"click", "cli"}
"""All that the command line may import at module level, beside the standard library."""
NUMBA_FILES = {
    "ledger/kernel.py": {"njit", "config", "numba", "FunctionCache", "NullCache", "NumbaError"},
    "ledger/units.py": {"overload"},
    "ledger/journal/provenance.py": {"numba"},  # a session keeps the compiler's version
}

CLOCK_FILES = {
    "sim/data/load.py",  # a bar from the future is refused, so the loader must know the time
    "sim/data/sessions.py",  # the calendar's cache reaches to the end of this year
    "ledger/journal/journal.py",  # the clock that is used when none is injected
}
DICE_FILES = {
    "sim/fuzz/choices.py",
    "sim/honesty/luck/dice.py",  # statistics resample; each draw comes from a seed that the command says
}
UUID_FILES = {"ledger/journal/provenance.py"}  # the machine's own number, where no boot id is told


class Source(NamedTuple):
    """One file: its path below the root, its text and its syntax tree."""

    path: str
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        return self.path.split("/", 1)[0]


Rule = Callable[[Source], Iterator[str]]
RULES: dict[str, Rule] = {}


def rule(function: Rule) -> Rule:
    """Register a rule under its name."""
    RULES[function.__name__] = function
    return function


def source_of(path: str, text: str) -> Source:
    return Source(path, text, ast.parse(text))


def our_files() -> list[str]:
    """Return every Python file of ours, whether or not it is committed yet."""
    found = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    return sorted(path.relative_to(ROOT).as_posix() for path in [*found, *ROOT.glob("*.py")])


def imports(tree: ast.Module) -> Iterator[tuple[int, str, str, bool]]:
    """Yield (line, module, imported name, at module level) of every import that runs."""
    inner = {id(n) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef) for n in ast.walk(f)}
    typing_only = {id(n) for b in ast.walk(tree) if isinstance(b, ast.If) and "TYPE_CHECKING" in ast.dump(b.test) for n in ast.walk(b)}
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, alias.name, id(node) not in inner
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield node.lineno, "." * node.level + (node.module or ""), alias.name, id(node) not in inner


def code_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield (line number, code without strings and comments): what a banned call is looked for in."""
    lines = [list(line) for line in text.splitlines(keepends=True)]
    skipped = (tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", -1))
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in skipped:
            for number in range(token.start[0], token.end[0] + 1):
                first = token.start[1] if number == token.start[0] else 0
                last = token.end[1] if number == token.end[0] else len(lines[number - 1])
                lines[number - 1][first:last] = " " * (last - first)
    yield from enumerate(("".join(line) for line in lines), 1)


@rule
def arrows_point_down(source: Source) -> Iterator[str]:
    """A room imports only the rooms below it; sim and live never meet."""
    for line, module, _, _ in imports(source.tree):
        if module.startswith("."):
            yield f"{line}: relative import; arrows are read from full names"
        top = module.split(".")[0]
        if source.room in MAY_IMPORT and top in OURS - MAY_IMPORT[source.room]:
            yield f"{line}: {source.room} may not import {top}"


@rule
def foreign_libraries_have_one_door(source: Source) -> Iterator[str]:
    """ib_async and vectorbt are each imported by one file, numba by the file with the decorators."""
    for line, module, name, _ in imports(source.tree):
        top = module.split(".")[0]
        if top == "ib_async" and source.path not in IB_FILES and source.room != "tests":
            yield f"{line}: ib_async belongs to {IB_FILES[0]}"
        if top == "vectorbt" and source.path != VECTORBT_FILE and source.room not in ("tests", "benchmarks"):
            yield f"{line}: vectorbt belongs to {VECTORBT_FILE}"
        if top == "numba" and source.room in ROOMS and name not in NUMBA_FILES.get(source.path, set()):
            yield f"{line}: compile through ledger.kernel; its decorators carry the flags and the cache"


@rule
def heavy_libraries_are_lazy(source: Source) -> Iterator[str]:
    """What takes long to import is imported where it is used; the command line imports next to nothing."""
    for line, module, _, at_top in imports(source.tree):
        top = module.split(".")[0]
        if at_top and top in LAZY and source.room in {*ROOMS, "cli", "onebook.py"}:
            yield f"{line}: import {top} inside the function that needs it"
        if at_top and source.room in {"cli", "onebook.py"} and not _at_startup(top):
            yield f"{line}: {top} is imported at start-up; import it inside the command"


def _at_startup(top: str) -> bool:
    import sys

    return top in STARTUP or top in sys.stdlib_module_names


WORDS: list[tuple[str, str, Callable[[Source], bool], str]] = [
    ("float", r"\bfloat\(", lambda s: s.room == "ledger" and s.path != "ledger/units.py", "floats enter the ledger in units.py only"),
    ("clock", r"\btime\.time|\bdatetime\.(now|utcnow)\b|\bdate\.today\b", lambda s: s.room in ROOMS and s.path not in CLOCK_FILES,
     "the clock is injected"),
    ("dice", r"(?<![\w.])random\.|\bnp\.random\b|\bsecrets\.", lambda s: s.room in ROOMS and s.path not in DICE_FILES,
     "chance is drawn from the choice tape"),
    ("uuid", r"\buuid\d?\b", lambda s: s.room in ROOMS and s.path not in UUID_FILES, "a key says where it comes from; nothing is random"),
    ("print", r"(?<![\w.])print\(", lambda s: s.room in ROOMS, "rooms return values; the command line prints"),
    ("eval", r"(?<![\w.])(eval|exec)\(", lambda s: s.room != "tests", "text is never run"),
    ("pickle", r"\b(pickle|cPickle|dill|joblib|marshal)\b", lambda s: s.room != "tests", "loading a pickle runs code; use skops"),
    ("html", r"\bunsafe_allow_html\b", lambda s: True, "names come from outside and are text"),
]  # fmt: skip


@rule
def no_banned_word_in_code(source: Source) -> Iterator[str]:
    """Calls that would bring floats, clocks, chance, prints or foreign code where they do not belong."""
    wanted = [(name, re.compile(pattern), why) for name, pattern, here, why in WORDS if here(source)]
    for number, line in code_lines(source.text):
        for name, pattern, why in wanted:
            if pattern.search(line):
                yield f"{number}: {name}: {why}"


@rule
def no_exception_is_swallowed_unnamed(source: Source) -> Iterator[str]:
    """A handler of every exception may clean up, and then it raises; only the command line ends exceptions."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ExceptHandler) and source.room in ROOMS:
            kinds = {name.id for name in ast.walk(node.type) if isinstance(name, ast.Name)} if node.type else {"Exception"}
            if kinds & {"Exception", "BaseException"} and not isinstance(node.body[-1], ast.Raise):
                yield f"{node.lineno}: blind except: name the exception, or raise it again"


MACHINE_PATH = re.compile(r"(?<![\w.:/{}*-])/(home|root|Users|work|tmp|mnt|opt)/\w|\b[A-Z]:\\\\?Users")
REGISTRY = re.compile(r"pypi\.org|pythonhosted|(?<!no-emit-)index-url|--find-links|anaconda\.org", re.IGNORECASE)
EMPTY_TODO = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b(?!: \w+(\W+\w+){3})")


@rule
def no_banned_text(source: Source) -> Iterator[str]:
    """What no file may say, strings and comments included."""
    yield from banned_text(source.text, source.path)


def banned_text(text: str, path: str) -> Iterator[str]:
    if path in ("tests/test_architecture.py", "tests/architecture_samples.py"):
        return  # they must spell what is forbidden
    for number, line in enumerate(text.splitlines(), 1):
        if MACHINE_PATH.search(line):
            yield f"{number}: a path of one machine"
        if REGISTRY.search(line):
            yield f"{number}: a package registry; every machine has its own"
        if EMPTY_TODO.search(line):
            yield f"{number}: a TODO says in a sentence what is missing and why"


SQL = re.compile(r"\b(SELECT\s.+\sFROM|INSERT\s+(OR\s+\w+\s+)?INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|CREATE\s+TABLE|DROP\s+TABLE)\b", re.DOTALL)


COLUMN_FILES = ("ledger/journal/", "ledger/views/")
"""Where the names of tables and columns are constants of ours and may be joined into SQL; values never."""
VALUE_PLACE = re.compile(r"([=<>'\"]|\bLIKE|\bIN\s*\()\s*$")


def _only_names(node: ast.JoinedStr) -> bool:
    """Say whether no field of an f-string stands where SQL has a value."""
    before = ""
    for part in node.values:
        if isinstance(part, ast.Constant):
            before = str(part.value)
        elif VALUE_PLACE.search(before):
            return False
        else:
            before = ""
    return True


@rule
def sql_is_never_put_together(source: Source) -> Iterator[str]:
    """SQL text is constant and its values are bound."""
    if source.room == "tests":
        return
    names_allowed = source.path.startswith(COLUMN_FILES)
    for node in ast.walk(source.tree):
        constants: list[str] = []
        if isinstance(node, ast.JoinedStr) and names_allowed and _only_names(node):
            continue
        if isinstance(node, ast.JoinedStr) and any(isinstance(part, ast.FormattedValue) for part in node.values):
            constants = [p.value for p in node.values if isinstance(p, ast.Constant) and isinstance(p.value, str)]
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod | ast.Add) and isinstance(node.left, ast.Constant):
            constants = [str(node.left.value)]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
            constants = [str(node.func.value.value)] if isinstance(node.func.value, ast.Constant) else []
        if constants and SQL.search(" ? ".join(constants)):
            yield f"{node.lineno}: SQL put together from text; bind the value"


@rule
def files_open_with_a_docstring(source: Source) -> Iterator[str]:
    """The first thing a reader sees is what the file is for."""
    if source.text.strip() and not ast.get_docstring(source.tree):
        yield "1: no docstring"


@rule
def public_functions_have_docstrings(source: Source) -> Iterator[str]:
    """What other files may call says what it does."""
    if source.room == "tests":
        return
    holders = [source.tree, *(node for node in source.tree.body if isinstance(node, ast.ClassDef) and node.name[0] != "_")]
    for holder in holders:
        for node in holder.body:
            named = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            if named and not node.name.startswith("_") and not ast.get_docstring(node):
                yield f"{node.lineno}: {node.name} has no docstring"


def oversized(source: Source) -> Iterator[tuple[str, int, int]]:
    """Yield (name, size, bound) of the file and of each function that is over its bound."""
    lines = len(source.text.splitlines())
    if lines > FILE_LINES:
        yield source.path, lines, FILE_LINES
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            spoken = first.end_lineno - first.lineno + 1 if ast.get_docstring(node, clean=False) else 0
            size = node.end_lineno - node.lineno + 1 - spoken
            if size > FUNCTION_LINES:
                yield f"{source.path}::{node.name}", size, FUNCTION_LINES


def outgrown(sizes: dict[str, int], ratchet: dict[str, int]) -> list[str]:
    """Compare what is oversized with what may be: growth, newcomers and entries no longer needed."""
    grown = [f"{name} has {size} lines or files, {ratchet.get(name, 'no exception')}" for name, size in sizes.items() if size > ratchet.get(name, 0)]
    return [*grown, *(f"{name} is small enough; take it out of OVERSIZE" for name in ratchet if name not in sizes)]


@pytest.mark.parametrize("path", our_files())
def test_every_rule_holds_in(path):
    source = source_of(path, (ROOT / path).read_text(encoding="utf-8"))
    faults = [f"{path}:{fault}" for check in RULES.values() for fault in check(source)]
    assert not faults, "\n".join(faults)


def test_nothing_grows_past_its_size():
    sources = (source_of(path, (ROOT / path).read_text(encoding="utf-8")) for path in our_files())
    sizes = {name: size for source in sources for name, size, _ in oversized(source)}
    folders: dict[str, int] = {}
    for path in our_files():
        if path.count("/"):
            folders[str(Path(path).parent)] = folders.get(str(Path(path).parent), 0) + 1
    sizes |= {folder: count for folder, count in folders.items() if count > FOLDER_FILES}
    assert outgrown(sizes, OVERSIZE) == []


@pytest.mark.parametrize("name", ["Makefile", "pyproject.toml", "requirements.lock", ".ci/run", ".ci/setup", "README.md", "CHANGELOG.md"])
def test_no_banned_text_in_the_project_files(name):
    assert list(banned_text((ROOT / name).read_text(encoding="utf-8"), name)) == []


def test_no_banned_text_in_documents_and_schemas():
    paths = [p for folder in FOLDERS for pattern in ("*.md", "*.sql", "*.toml") for p in (ROOT / folder).rglob(pattern)]
    faults = {str(p.relative_to(ROOT)): list(banned_text(p.read_text(encoding="utf-8"), p.name)) for p in paths}
    assert {name: found for name, found in faults.items() if found} == {}


@pytest.mark.parametrize(("name", "path", "text"), BAD)
def test_a_rule_can_fail(name, path, text):
    prefix = "" if name == "files_open_with_a_docstring" else GOOD
    assert list(RULES[name](source_of(path, prefix + text)))


@pytest.mark.parametrize(("path", "text"), FINE)
def test_a_good_file_passes_every_rule(path, text):
    source = source_of(path, GOOD + text)
    assert [fault for check in RULES.values() for fault in check(source)] == []


def test_every_rule_has_a_source_it_refuses():
    assert {name for name, _, _ in BAD} == RULES.keys()


def test_the_sizes_are_measured_and_the_ratchet_turns_one_way():
    long = source_of("sim/a.py", GOOD + "x = 1\n" * FILE_LINES + "def f():\n" + "    y = 2\n" * FUNCTION_LINES)
    assert {name for name, _, _ in oversized(long)} == {"sim/a.py", "sim/a.py::f"}
    assert outgrown({"a": 401}, {}) and outgrown({"a": 402}, {"a": 401}) and outgrown({}, {"a": 401})
    assert not outgrown({"a": 401}, {"a": 401}) and not outgrown({"a": 400}, {"a": 401})

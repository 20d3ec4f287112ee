"""`.ci/setup` takes the Python that was asked for, or says why not, and touches no environment of another one.

Theory of operation. Interpreters are shell scripts that answer what the script asks: whether they fit, what they are called, whether they can
make an environment. Making one is where each test ends, so nothing is installed. The path holds those scripts and the few tools that the
script needs, hence no uv.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

SETUP = Path(__file__).resolve().parents[1] / ".ci" / "setup"
TOOLS = ("dirname", "cat", "rm", "touch")
FITS = ("3.11", "3.12", "3.13")


class Machine:
    """A checkout and a path with interpreters."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.bin = folder / "checkout", folder / "bin"
        (self.folder / ".ci").mkdir(parents=True)
        self.bin.mkdir()
        shutil.copy(SETUP, self.folder / ".ci" / "setup")
        for name in TOOLS:
            (self.bin / name).symlink_to(str(shutil.which(name)))

    def python(self, version: str, place: str = "", makes: bool = True) -> Path:
        """Install an interpreter, as `python3.12` on the path if no place is given."""
        path = self.folder / place if place else self.bin / f"python{version}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            f"""#!/bin/sh
            case "$*" in
                *sys.exit*) exit {int(version not in FITS)} ;;
                *sys.executable*) echo "$0" ;;
                *print*) echo {version} ;;
                *ensurepip*) exit {int(not makes)} ;;
                -) cat >/dev/null; echo key ;;
                *venv*) echo "made with {version}" >&2; exit 1 ;;
            esac
            """
        )
        path.chmod(0o755)
        return path

    def set_up(self, **named: str) -> str:
        """Return what the script says on its way to exit code 4."""
        ran = subprocess.run(
            ["/bin/sh", str(self.folder / ".ci" / "setup"), "test"], env={"PATH": str(self.bin), **named}, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 4, ran
        return ran.stderr


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize(("there", "taken"), [(FITS, "3.11"), (("3.13",), "3.13"), (("3.10", "3.12", "3.14"), "3.12")])
def test_the_oldest_python_that_fits_is_taken_when_none_is_named(there: tuple[str, ...], taken: str, machine: Machine) -> None:
    for version in there:
        machine.python(version)
    assert f"made with {taken}" in machine.set_up()


def test_a_python_that_cannot_make_an_environment_is_passed_over(machine: Machine) -> None:
    machine.python("3.11", makes=False)
    machine.python("3.13")
    assert "made with 3.13" in machine.set_up()


def test_the_python_that_is_named_is_taken_before_an_older_one(machine: Machine) -> None:
    for version in FITS:
        machine.python(version)
    assert "made with 3.13" in machine.set_up(PYTHON="python3.13")
    assert "made with 3.12" in machine.set_up(PYTHON=str(machine.python("3.12", "a folder/python")))


@pytest.mark.parametrize("named", ["python3.10", "python3.14", "nowhere"])
def test_a_named_python_that_does_not_fit_is_refused_and_never_passed_over(named: str, machine: Machine) -> None:
    for version in ("3.10", "3.11", "3.14"):
        machine.python(version)
    for _ in range(2):
        said = machine.set_up(PYTHON=named)
        assert f"PYTHON={named} does not answer as Python 3.11, 3.12 or 3.13" in said and "made with" not in said
        machine.python("3.12", ".venv/bin/python")


def test_an_environment_of_another_python_than_the_named_one_is_left_alone(machine: Machine) -> None:
    machine.python("3.13")
    mine = machine.python("3.11", ".venv/bin/python")
    before = mine.read_bytes()
    said = machine.set_up(PYTHON="python3.13")
    assert ".venv has Python 3.11" in said and "rm -r .venv" in said and mine.read_bytes() == before


def test_an_environment_whose_python_is_gone_is_told_with_the_cure(machine: Machine) -> None:
    machine.python("3.12")
    gone = machine.folder / ".venv" / "bin" / "python"
    gone.parent.mkdir(parents=True)
    gone.symlink_to(machine.folder / "removed")
    assert "The Python of .venv is gone" in machine.set_up() and gone.is_symlink()


def test_without_any_python_that_fits_the_message_says_what_to_install(machine: Machine) -> None:
    machine.python("3.10")
    assert "onebook needs Python 3.11, 3.12 or 3.13" in machine.set_up()

"""The app is shown to nobody else: options, addresses, names from outside."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.shell import text
from app.shell.options import NEEDED, OPTIONS, faults, flags, is_loopback
from cli.app import has_log_in
from cli.root import root

ROOT = Path(__file__).resolve().parent.parent.parent
SAFE = OPTIONS.get


def configured() -> dict:
    """Return the options of .streamlit/config.toml under their full names, without the theme."""
    sections = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text("utf-8"))
    return {f"{section}.{name}": value for section, values in sections.items() if section != "theme" for name, value in values.items()}


def test_the_config_file_and_the_command_say_the_same():
    assert configured() == OPTIONS


def test_every_option_exists_and_is_passed():
    from streamlit import config

    words = flags()
    for name, value in OPTIONS.items():
        assert config.get_option(name) is not None or value is None
        assert any(word.startswith(f"--{name}=") for word in words)


def test_nothing_is_wrong_with_the_options_we_ship():
    assert faults(SAFE, log_in=False) == []


@pytest.mark.parametrize("address", [None, "", "0.0.0.0", "::", "192.168.1.5", "10.0.0.1", "example.org", "127.0.0.1.evil.example"])
def test_an_address_that_others_reach_shows_nothing_without_a_log_in(address):
    unsafe = {**OPTIONS, "server.address": address}.get
    assert not is_loopback(address)
    assert len(faults(unsafe, log_in=False)) == 1 and faults(unsafe, log_in=True) == []


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_this_machine_alone_is_loopback(address):
    assert is_loopback(address)


@pytest.mark.parametrize("name", [*NEEDED, "server.allowedHosts"])
def test_an_open_door_shows_nothing(name):
    assert len(faults({**OPTIONS, name: False if name in NEEDED else []}.get, log_in=False)) == 1


def test_the_entry_itself_refuses_whoever_started_it(book, show, monkeypatch):
    import streamlit

    real = streamlit.get_option
    monkeypatch.setattr(streamlit, "get_option", lambda name: None if name == "server.address" else real(name))
    test = show(book)
    assert test.error and not test.metric and not test.selectbox and not test.header


def test_the_command_refuses_an_address_without_a_log_in_and_prints_what_it_would_run():
    refused = CliRunner().invoke(root, ["app", "--address", "0.0.0.0", "--dry-run"])
    assert refused.exit_code == 2 and "log in" in refused.output
    printed = CliRunner().invoke(root, ["app", "--dry-run", "--json"])
    assert printed.exit_code == 0 and "--server.address=127.0.0.1" in printed.output


def test_a_log_in_is_looked_up_by_its_section(tmp_path):
    file = tmp_path / "secrets.toml"
    assert not has_log_in((file,))
    file.write_text("[other]\nx = 1\n")
    assert not has_log_in((file,))
    file.write_text("[auth]\nredirect_uri = 'x'\n")
    assert has_log_in((file,))


@pytest.mark.parametrize("name", ["<img src=x onerror=alert(1)>", "[a](javascript:alert(1))", ":red[x]", "$x^2$", "`code`", "**b**", "a\n# b", "~~s~~", "&lt;", ":smile:"])
def test_a_name_from_outside_is_shown_as_it_is(name):
    shown = text.plain(name)
    assert re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", shown) == name.replace("\n", " ")
    assert not re.search(r"(?<!\\)[!-/:-@\[-`{-~](?<!\\)", shown)


def test_no_page_writes_html_of_its_own():
    for path in (ROOT / "app").rglob("*.py"):
        code = path.read_text("utf-8")
        assert "unsafe_allow" not in code and "components.v1" not in code
        for call in re.findall(r"st\.html\(([^)]*)\)", code):
            assert call == 'FOLDER / "look.css"', f"{path}: {call}"


def test_no_page_can_write_a_book():
    for path in (ROOT / "app").rglob("*.py"):
        assert not re.search(r"Journal\.open\(|\.record\(|sqlite3\.connect|\.begin\(", path.read_text("utf-8")), path

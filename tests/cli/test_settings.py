"""Settings: default < file < environment < flag, and a key nobody knows is an error."""

from __future__ import annotations

import json

import pytest

from cli.settings import DEFAULTS, MEANING, ConfigError, read_environment, resolve
from tests.cli.conftest import document, invoke


def test_every_key_has_a_meaning():
    assert DEFAULTS.keys() == MEANING.keys()


def test_the_later_of_default_file_environment_and_flag_wins(elsewhere):
    assert document("config")["cash"] == {"value": "100000", "origin": "default"}
    (elsewhere / "onebook.toml").write_text('cash = "1"\nsize = "shares:5"\npicture = false\n')
    assert document("config")["cash"] == {"value": "1", "origin": "onebook.toml"}
    assert document("config")["picture"] == {"value": False, "origin": "onebook.toml"}
    assert document("config", ONEBOOK_CASH="2")["cash"] == {"value": "2", "origin": "ONEBOOK_CASH"}
    both = document("config", "-o", "cash=3", ONEBOOK_CASH="2")
    assert both["cash"] == {"value": "3", "origin": "-o"} and both["size"]["value"] == "shares:5"
    assert resolve(None, ["cash=3"], {"cash": "4"})["cash"] == ("4", "--cash")
    assert resolve(None, [], {"cash": None, "bar": "1d"})("cash") == "1"


def test_a_named_file_is_read_instead_of_the_one_here(elsewhere):
    (elsewhere / "onebook.toml").write_text('cash = "1"\n')
    (elsewhere / "other.toml").write_text("cash = 7\n")
    assert document("config", "--config", "other.toml")["cash"] == {"value": "7", "origin": "other.toml"}


WRONG_FILES = [
    ('comission = "zero"\n', ["onebook.toml", "'comission'", "commission"]),
    ("cash = \n", ["onebook.toml", "not TOML"]),
    ("cash = '\xff'\n", ["onebook.toml", "not TOML", "utf-8"]),
    ("cash = 1.5\n", ["onebook.toml", "cash"]),
    ("picture = 1\n", ["onebook.toml", "picture"]),
    ("[cash]\nx = 1\n", ["onebook.toml", "cash"]),
    ("[risk]\nmax = 1\n", ["onebook.toml", "'risk'"]),
]


@pytest.mark.parametrize(("text", "words"), WRONG_FILES)
def test_a_wrong_file_is_named_with_its_key(elsewhere, text, words):
    (elsewhere / "onebook.toml").write_text(text, encoding="latin-1")
    result = invoke("config", "--json")
    assert result.exit_code == 2 and json.loads(result.stdout)["error"]["code"] == "usage"
    assert all(word in result.stderr for word in words), result.stderr


WRONG_WORDS = [
    (["-o", "comission=zero"], "commission"),
    (["-o", "cash"], "key=value"),
    (["-o", "picture=maybe"], "true or false"),
    (["--config", "none.toml"], "none.toml"),
]


@pytest.mark.parametrize(("words", "says"), WRONG_WORDS)
def test_a_wrong_flag_is_an_error(words, says):
    result = invoke("config", *words)
    assert result.exit_code == 2 and says in result.stderr and result.stdout == ""


def test_a_misspelt_variable_is_an_error_and_a_foreign_one_is_not():
    with pytest.raises(ConfigError, match="ONEBOOK_COMMISSION"):
        read_environment({"ONEBOOK_COMMISION": "zero"})
    assert read_environment({"ONEBOOK_KERNELS": "x", "ONEBOOK_CACHE": "y", "ONEBOOK_CASH": "", "PATH": "z"}) == {}

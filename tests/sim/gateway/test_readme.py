"""The example of the gateway's README prints what it says."""

from __future__ import annotations

import re
from pathlib import Path

README = Path(__file__).resolve().parents[3] / "sim" / "gateway" / "README.md"
EXAMPLE = re.compile(r"```python\n(.*?)```\n+```text\n(.*?)```", re.DOTALL)


def test_the_example_prints_what_it_says(capsys):
    ((code, output),) = EXAMPLE.findall(README.read_text(encoding="utf-8"))
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out == output


def test_links_of_the_readme_lead_somewhere():
    for target in re.findall(r"\]\(([^)#\s]+)\)", README.read_text(encoding="utf-8")):
        assert (README.parent / target).exists(), target

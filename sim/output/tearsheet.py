"""The tear sheet: one HTML file that needs no network and runs no script.

Theory of operation. Everything that comes from outside passes through jinja2 with
autoescape on, so a symbol named `<img onerror=...>` is shown as those letters. Should
a hole open one day, the content policy of the page still forbids scripts and every
address but the embedded picture.
"""

from __future__ import annotations

import base64
from itertools import groupby

from sim.output.picture import png
from sim.output.report import Sheet, outcome_text, period_text, rows

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ sheet.symbol }} · {{ sheet.strategy }}</title>
<style>
body { margin: 2.5rem auto; max-width: 62rem; padding: 0 1.2rem; color: #22303c; background: #fff;
       font: 15px/1.5 system-ui, "Segoe UI", sans-serif; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1rem; margin: 2rem 0 .3rem; }
p.quiet, td.definition { color: #6b7680; } p { margin: .2rem 0; }
img { width: 100%; height: auto; margin: 1rem 0; }
table { border-collapse: collapse; width: 100%; } td { padding: .3rem .6rem; border-top: 1px solid #e8ecef; }
td:first-child { width: 12rem; } td.value { width: 10rem; text-align: right; white-space: nowrap;
       font-variant-numeric: tabular-nums; font-weight: 600; }
td.unknown { color: #8a949e; font-style: italic; font-weight: 400; }
td.definition { font-size: .87rem; } .note { border-left: 3px solid #c8553d; padding-left: .8rem; }
@media print { body { margin: 0; max-width: none; } section { break-inside: avoid; } }
</style>
</head>
<body>
<h1>{{ sheet.symbol }} · {{ sheet.strategy }}</h1>
<p class="quiet">{{ period }}</p>
<p>{{ outcome }}</p>
{% for note in sheet.notes or [] %}<p class="note">{{ note }}</p>
{% endfor %}
<img alt="Equity and drawdown of {{ sheet.symbol }}" src="data:image/png;base64,{{ picture }}">
{% for group, lines in groups %}<section><h2>{{ group }}</h2>
<table>
{% for _, label, value, definition in lines %}<tr><td>{{ label }}</td>
<td class="value{{ ' unknown' if value == 'unknown' }}">{{ value }}</td><td class="definition">{{ definition }}</td></tr>
{% endfor %}</table></section>
{% endfor %}
</body>
</html>
"""


def html(sheet: Sheet) -> str:
    """Return the tear sheet of a run as one self-contained HTML page."""
    from jinja2 import Environment, StrictUndefined

    # Undefined is strict but for `notes`, which a sheet may leave out.
    page = Environment(autoescape=True, undefined=StrictUndefined).from_string(PAGE)
    return page.render(
        sheet={"notes": [], **sheet},
        period=period_text(sheet["time_ns"]),
        outcome=outcome_text(sheet),
        picture=base64.b64encode(png(sheet)).decode("ascii"),
        groups=[(group, list(lines)) for group, lines in groupby(rows(sheet), key=lambda row: row[0])],
    )

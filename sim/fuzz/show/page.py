"""Swim lanes as one HTML page that needs no network and no script."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from sim.fuzz.show.lanes import Lanes, changed, drawn, strikes, words

STYLE = """
:root { color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 1200px; padding: 0 1rem; }
h1 { font-size: 1.3rem; margin: 0 0 .3rem; } h2 { font-size: 1.1rem; margin: 2.2rem 0 .3rem; }
code { font: .92em ui-monospace, monospace; background: rgba(128,128,128,.15); padding: .1em .35em; border-radius: 4px; }
.wrap { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; min-width: 40rem; }
th, td { text-align: left; padding: .18rem .9rem .18rem .5rem; vertical-align: top; }
th { border-bottom: 2px solid currentColor; } th small { display: block; font-weight: 400; opacity: .75; }
td.lane { border-left: 1px dotted rgba(128,128,128,.6); white-space: nowrap; }
tr.switch td { border-top: 1px solid rgba(128,128,128,.8); }
td.effect, td.answer, td.report { font-family: ui-monospace, monospace; }
td.effect { background: rgba(40,120,220,.16); } td.answer { background: rgba(40,160,90,.16); }
td.report { background: rgba(150,100,220,.16); }
td.fault { background: rgba(220,60,40,.22); font-weight: 600; } .touched { font-weight: 700; }
tr.chosen td.number { opacity: 1; font-weight: 700; } td.number { white-space: nowrap; text-align: right; }
td.number, td.state { opacity: .8; font-variant-numeric: tabular-nums; } td.state { font-family: ui-monospace, monospace; }
.violation { border-left: 4px solid #c83232; padding: .4rem .8rem; background: rgba(220,60,40,.12); margin: .8rem 0; }
"""
LEGEND = (
    "<p><code>~order</code> the far side does it, <code>order &lt;</code> its answer arrives, <code>!!</code> a fault; "
    "a line where another lane goes on; <b>&#9656;</b> a move that was chosen, where another would have come by itself.</p>"
)


def page(title: str, failures: Sequence[tuple[str, Lanes]]) -> str:
    """Return one page with the lanes of failures.

    Args:
        failures: (token, lanes) of each.
    """
    parts = [_section(token, lanes) for token, lanes in failures] or ["<p>No failure was found.</p>"]
    head = f"<meta charset='utf-8'><meta name='viewport' content='width=device-width'><title>{escape(title)}</title>"
    body = f"<h1>{escape(title)}</h1>{LEGEND}{''.join(parts)}"
    return f"<!doctype html><html lang='en'><head>{head}<style>{STYLE}</style></head><body>{body}</body></html>\n"


def _section(token: str, lanes: Lanes) -> str:
    head = "".join(f"<th>{escape(column.name)}<small>{escape(column.title)}</small></th>" for column in lanes.columns)
    rows = "".join(_row(lanes, at) for at in range(len(lanes.rows)))
    top = f"<thead><tr><th>step</th>{head}<th>state</th></tr></thead>"
    table = f"<div class='wrap'><table>{top}<tbody>{rows}</tbody></table></div>"
    said = escape(lanes.violation or "nothing was violated")
    what = escape(", ".join(drawn(lanes)))
    told = f"<p>drawn: {what}</p>" if what else ""
    told += "".join(f"<p><code>!!</code> {escape(said)}</p>" for said in strikes(lanes))
    return f"<section><h2>{said}</h2><p>replay: <code>{escape(token)}</code></p>{told}{table}</section>"


def _row(lanes: Lanes, at: int) -> str:
    row = lanes.rows[at]
    mark = " touched" if row.touched else ""
    kind = "fault" if row.fault else row.kind
    if row.column is None:
        cells = f"<td class='fault' colspan='{max(len(lanes.columns), 1)}'>{escape(words(row))}</td>"
    else:
        filled = f"<td class='lane {kind}{mark}'>{escape(words(row))}</td>"
        cells = "".join(filled if number == row.column else "<td class='lane'></td>" for number in range(len(lanes.columns)))
    state = f"<td class='state'>{escape(changed(lanes.rows, at))}</td>"
    classes = " ".join(name for name, so in (("switch", row.switch), ("chosen", row.chosen)) if so)
    number = f"{'&#9656; ' if row.chosen else ''}{row.step}"
    return f"<tr class='{classes}'><td class='number'>{number}</td>{cells}{state}</tr>"

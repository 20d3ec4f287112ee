"""The audit as one page of HTML: no script, nothing fetched, every text escaped.

Theory of operation. The page is made from the JSON document, so the two cannot disagree. Names come from a foreign
database and may be anything; they are text. A policy in the head forbids what the page does not need.
"""

from __future__ import annotations

from html import escape
from typing import Any

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1a1c20;background:#fff}
table{border-collapse:collapse;width:100%;margin:1rem 0}
td,th{padding:.3rem .6rem;border-bottom:1px solid #d8dbe0;text-align:left;vertical-align:top}
td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}.error{color:#a4161a}.warning{color:#8a5a00}.suspicion{color:#43506b}
code{font-size:.85em;overflow-wrap:anywhere}h2{font-size:1.05rem;margin:2rem 0 .3rem}
@media(prefers-color-scheme:dark){body{color:#e6e8ec;background:#14161a}td,th{border-color:#343941}.error{color:#ff8f8f}.warning{color:#e5b567}.suspicion{color:#a9b6d6}}
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
ROWS = 500


def page(document: dict[str, Any]) -> str:
    """Return the report of an audit document."""
    title = f"Audit of {document['file']}"
    body = [f"<h1>{escape(title)}</h1>", f"<p>{_head(document)}</p>", _overview(document["findings"])]
    body += [_finding(number, one) for number, one in enumerate(document["findings"], 1)]
    body.append("<h2>Notes</h2><ul>" + "".join(f"<li>{escape(note)}</li>" for note in document["notes"]) + "</ul>")
    body.append(f"<h2>What was looked for</h2><p>{escape(', '.join(document['audits']))}</p>")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"><title>{escape(title)}</title><style>{STYLE}</style></head>'
        f"<body>{''.join(body)}</body></html>\n"
    )


def _head(document: dict[str, Any]) -> str:
    where = "a file, not imported" if document["session"] is None else f"session {document['session']}"
    return escape(
        f"{document['trades']:,} trades, {document['booked']:,} booked; schema {document['schema']} "
        f"{document['generation']}; {where}; "
        f"SHA-256 {document['sha256']}; {document['total']} findings"
    )


def _cells(*values: object) -> str:
    return "".join(f"<td>{escape(str(value))}</td>" for value in values)


def _amount(one: dict[str, Any]) -> str:
    return escape("-" if one["amount"] is None else one["amount"])


def _overview(findings: list[dict[str, Any]]) -> str:
    if not findings:
        return "<p>Nothing was found.</p>"
    lines = [
        f'<tr><td class="n">{n}</td><td class="{escape(one["severity"])}">{escape(one["severity"])}</td>{_cells(one["sure"], one["audit"])}'
        f'<td><a href="#f{n}">{escape(one["title"])}</a></td><td class="n">{_amount(one)}</td><td class="n">{one["rows_total"]}</td></tr>'
        for n, one in enumerate(findings, 1)
    ]
    head = "<tr><th>#</th><th>severity</th><th>sure</th><th>audit</th><th>finding</th><th>amount</th><th>rows</th></tr>"
    return f"<table>{head}{''.join(lines)}</table>"


def _finding(number: int, one: dict[str, Any]) -> str:
    parts = [f'<h2 id="f{number}">{number}. {escape(one["title"])}</h2><p>{escape(one["derivation"])}</p>']
    if one["detail"]:
        names = list(one["detail"][0])
        rows = "".join(
            f"<tr>{_cells(*('unknown' if line.get(name) is None else line.get(name) for name in names))}</tr>"
            for line in one["detail"]
        )
        parts.append(f"<table><tr>{''.join(f'<th>{escape(name)}</th>' for name in names)}</tr>{rows}</table>")
    if one["rows"]:
        rest = f" and {one['rows_total'] - ROWS} more, all in the JSON document" if one["rows_total"] > ROWS else ""
        parts.append(f"<p><code>{escape(', '.join(one['rows'][:ROWS]))}{rest}</code></p>")
    if one["sql"]:
        parts.append(f"<p><code>{escape(one['sql'])}</code></p>")
    return "".join(parts)

"""Compare sessions: what differs, since when, why, and what each cause cost, to the last integer unit.

`compare(journal_a, a, journal_b, b)` holds the second session against the first. The journals are opened with
`Journal.read` and may be one file or two; sessions may be of any kind. Three sessions are two comparisons
against the first: `compare_many`. Everything is read, nothing is written.

    with Journal.read("runs/onebook.db") as book, Journal.read("runs/paper.db") as other:
        found = compare(book, 1, other, 3)
        found.difference_e8, [(part.cause, part.amount_e8) for part in found.parts], found.residual_e8   # (.., [..], 0)
        found.certificate.equal, found.certificate.first_row
        found.different                                    # the rows that differ; each has both legs, cause, reason, effect
        curves([(book, 1), (other, 3)])                    # equity, drawdown and difference on one time axis
        story(other, 3, found.different[0].b.key)          # signal, claim or refusal, order, executions, fees, lots

See README.md beside this file for how the parts are computed and why they add up.
"""

from ledger.compare.comparison import CompareError, compare, compare_many
from ledger.compare.curves import curves
from ledger.compare.model import (
    MEANING,
    Cause,
    Certificate,
    Comparison,
    Curves,
    Divergence,
    Grids,
    Leg,
    Part,
    Row,
    Side,
    Step,
    Story,
)
from ledger.compare.story import story

__all__ = [
    "MEANING",
    "Cause",
    "Certificate",
    "CompareError",
    "Comparison",
    "Curves",
    "Divergence",
    "Grids",
    "Leg",
    "Part",
    "Row",
    "Side",
    "Step",
    "Story",
    "compare",
    "compare_many",
    "curves",
    "story",
]

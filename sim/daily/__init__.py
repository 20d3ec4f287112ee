"""The daily report: what a trading day did to an account, every total beside its recount from executions.

    from sim.daily import report, write
    with Journal.read("runs/paper.db") as journal:
        files = write(report(journal, 1), Path("runs"))

`facts` gathers the figures, `recount` computes them again from executions alone, `paper` makes the files.
"""

from sim.daily.facts import Report, Total, report
from sim.daily.paper import html, write

__all__ = ["Report", "Total", "html", "report", "write"]

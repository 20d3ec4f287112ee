"""The process beside a job: it runs one command, interrupts it when asked, and writes down how it ended.

Theory of operation. It outlives the app, so a restart of the server loses no result. It takes the lock of the job's folder
first, which tells everybody that the job runs, and holds it until the result is written. The command gets
default signals (a server that was started in the background ignores Ctrl-C, and children inherit that).
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

from ledger.journal.store.locks import FileLock

ROOT = Path(__file__).resolve().parent.parent.parent
LOOK_S = 0.1
PATIENCE_S = 15.0


def main(folder: Path) -> int:
    """Run the job of a folder and return its exit code."""
    lock = FileLock(folder / "lock")
    if not lock.acquire(wait=False):
        return 5
    words = json.loads((folder / "job.json").read_text("utf-8"))["words"]
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    code = 1
    try:
        with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
            code = _followed(
                subprocess.Popen([sys.executable, str(ROOT / "onebook.py"), *words], stdout=out, stderr=err), folder
            )
    finally:
        result = folder / ".result.json"
        result.write_text(json.dumps({"exit_code": code, "ended_ns": time.time_ns()}), "utf-8")
        result.replace(folder / "result.json")
        lock.release()
    return code


def _followed(process: subprocess.Popen[bytes], folder: Path) -> int:
    """Wait for a command; interrupt it when the file `cancel` appears, and end it when it does not listen."""
    asked_at = None
    while True:
        try:
            code = process.wait(LOOK_S)
            return 130 if asked_at is not None and code < 0 else code
        except subprocess.TimeoutExpired:
            pass
        if asked_at is None and (folder / "cancel").exists():
            asked_at = time.monotonic()
            process.send_signal(signal.SIGINT)
        elif asked_at is not None and time.monotonic() - asked_at > PATIENCE_S:
            process.kill()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

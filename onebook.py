"""The command `onebook`; everything it does is in `cli/`."""

from __future__ import annotations

import sys

from cli.root import main

if __name__ == "__main__":
    sys.exit(main())

"""The command `onebook`; everything it does is in `cli/`."""

from __future__ import annotations

import sys

try:
    from cli.root import main
except KeyboardInterrupt:  # Ctrl-C while the commands are still being loaded
    sys.exit(130)

if __name__ == "__main__":
    sys.exit(main())

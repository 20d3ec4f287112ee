"""What every test shares: Hypothesis without deadlines, because the first call of a kernel compiles it."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("onebook", deadline=None, print_blob=True)
settings.load_profile("onebook")

"""`onebook data`: the commands about prices."""

from cli.data.download import download
from cli.data.store import data

__all__ = ["data", "download"]

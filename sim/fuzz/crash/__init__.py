"""Crash images: every state in which a crash may leave the files of a journal; see images.py."""

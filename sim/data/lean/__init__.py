"""Folders in the layout of QuantConnect LEAN: zips of bars, factor files, map files."""

"""Strict text: columns of bytes, decimals and times, parsed without a guess."""

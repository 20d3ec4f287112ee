"""The bug zoo: order handlers as people write them, each with one hole, beside the real guard."""

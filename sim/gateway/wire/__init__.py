"""The wire: frames, field kinds, message tables and the codec that is driven by them."""

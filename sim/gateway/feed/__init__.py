"""The feed: prices at every second, from real files or from a seeded model."""

"""Running it: how things stand, what is worth an alarm, the log, planned interruptions; see README.md in the folder above."""

"""Driving the compiled loop: the machine, the worlds beside a run, and the feed of one bar at a time."""

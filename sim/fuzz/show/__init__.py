"""Schedules for people: swim lanes as text and as one HTML page."""

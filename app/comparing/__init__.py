"""The Compare page's pieces: which sessions, their curves, the waterfall, the rows that differ."""

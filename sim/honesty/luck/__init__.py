"""Statistics of luck: what a figure would be without skill. Arrays in, figures out; nothing here knows a book or a file."""

"""The command line: click commands that call the rooms and print what they return.

Theory of operation. Nothing here calculates. `root` gathers the commands and turns
every exception into a sentence and an exit code, `settings` reads what a command may
be told (defaults, file, environment, flags), `output` prints tables or one JSON document.
Only click and the standard library are imported at module level; a command imports
its rooms when it runs, so `onebook --help` waits for no compiler.
"""

"""One file a command: its options, their help, and what it prints.

Belongs here: what a person types and reads. Does not: the work itself (app.py, replay.py, discover.py, collect/, demo/)
or the list of commands (cli.py). Heavy rooms are imported inside the functions, so that --help answers at once.
"""

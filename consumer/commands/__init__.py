"""One file a command: its options, their help, and what it prints.

Belongs here: what a person types and reads. Does not: the work itself (agent/, tools/, collect/, demo/)
or the list of commands (cli.py). Heavy rooms are imported inside the functions, so that --help answers at once.
"""

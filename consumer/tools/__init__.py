"""What the other commands do: replay, backfill, discover, check, init.

Belongs here: joining settings and rooms for one command, and what it prints. Does not: options (commands/), the work
of a room.
"""

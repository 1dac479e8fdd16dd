"""The exporting process (RFC 7011 §2): numbers, stamps, paces and sends messages to every collector.

Belongs here: pacing, sockets, what to do when a collector is not there, templates again in time. Does not: what is
in a message (encode/) or who reads it (collect/). `pace` and `session` are pure; the rest may block.
"""

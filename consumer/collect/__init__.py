"""A small collecting process (RFC 7011 §2): what `dump` and `demo` print, and what tests read back.

Belongs here: receiving, decoding and showing IPFIX, ours and anybody's. Does not: storing flows; this is no
collector for production. Anyone can send it anything, so no bytes make it fail and its memory is bounded.
"""

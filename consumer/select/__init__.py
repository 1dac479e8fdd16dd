"""Room 3: which rows of a batch this agent reports, and a count of the others by reason.

Belongs here: log-status, repeats, the plan. Does not: reading records (decode/), naming them (enrich/). Pure.
"""

"""Room 2: payloads in, flow batches out, and a tally of what was no flow record.

Belongs here: gzip, envelopes, log formats, the table of fields, text to columns. Does not: fetching payloads
(sources/), choosing which rows to report (select/), names (enrich/). Pure: no socket, clock, thread or logger.
"""

from consumer.decode.warm_up import warm_up

__all__ = ["warm_up"]

"""Third stage: names, by joining distinct values against the inventory snapshot. Pure.

Does not belong here: filling the inventory (discovery/), how a name is spelled on the wire (encode/).
"""

from consumer.enrich.warm_up import warm_up

__all__ = ["warm_up"]

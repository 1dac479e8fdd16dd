"""What accounts said of their regions, as plain values: in memory, on disk, and together.

Does not belong here: asking (reading/), what it means for names (inventory/) and for sources (plan/).
"""

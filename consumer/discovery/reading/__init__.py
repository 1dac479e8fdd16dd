"""Asking AWS, on a timer and in a process of its own, and keeping what it said.

From the agent inwards: refresher (when) → holder (the snapshot in use) → errand (the process) → keeper (all regions) →
region (the calls). Does not belong here: what answers mean (estate/, inventory/).
"""

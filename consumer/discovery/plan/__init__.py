"""Which source reports each flow log: where flow logs lead, the ways to read them, and the choice with its reason.

Does not belong here: acting on it (the agent), showing it (report/).
"""

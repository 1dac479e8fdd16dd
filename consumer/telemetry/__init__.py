"""How the agent is seen: metrics (all declared in one file), logs, and the health endpoint.

Does not belong here: what is measured; rooms report, the composition root (agent/agent.py) connects.
"""

"""What outlives a restart: who this agent is, how far log groups are exported, what a fleet shares, unreadable lines.

Does not belong here: positions in Kinesis (KCL's own lease table keeps them).
"""

"""What outlives a restart: who this agent is, and the lines it could not read.

Does not belong here: positions in Kinesis (KCL's own lease table keeps them).
"""

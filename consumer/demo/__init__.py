"""`vpcflow demo`: the whole job on one machine, against an emulated AWS.

Belongs here: the emulators, the seeded network, its traffic, and the referee that counts what arrived. Does not:
anything the agent needs; the agent of the demo is an ordinary `vpcflow run` in a process of its own.
"""

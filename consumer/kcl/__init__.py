"""Kinesis through the Kinesis Client Library: jars, Java, properties, the daemon, its children and their channel.

The daemon (Java, one per stream) holds leases and reads; it starts one child (child.py) per leased shard; the child
passes records over a Unix socket (channel.py) to the agent and checkpoints what the agent says is exported.
Does not belong here: what a record means (decode/) or how one becomes a delivery (sources/kinesis/source.py).
"""

"""Source 3: flow log objects in S3, announced by SQS queues.

The path of an object: queue → notices (what a message says) → keys, proof (is it a flow log) → objects (its chunks) →
held (the message, renewed until all of it is exported) → removal.
"""

"""Room 1: where deliveries come from, and how each is acknowledged: Kinesis, CloudWatch Logs, S3, files.

A folder for each source; chunks/ cuts what comes as objects or files. Belongs here: reading each source, its pace and
its retries, and what its users are told of it. Does not: which sources are read (agent/), KCL and its processes (kcl/),
boto3 (aws/), what a payload means (decode/).
"""

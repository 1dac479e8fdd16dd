"""The only room that knows boto3: credentials and roles, which calls are allowed, paging, retries and errors.

Does not belong here: what the answers mean (discovery/, sources/). Facts: the AWS API models of botocore.
"""

"""What is there: interfaces, instances, VPCs and their names, and the formats of flow logs; asked of AWS on a timer.

Does not belong here: boto3 (aws/), joining records with what was found (enrich/).
"""

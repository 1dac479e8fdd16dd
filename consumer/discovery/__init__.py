"""What is there, asked of AWS on a timer: names for the flows, and which source reports which of them.

The way of an answer: reading/ (the calls) → estate/ (what accounts said) → inventory/ (names, laid out for joining) and
plan/ (who reports what, and why) → report/ and access/ (what people see of it). Does not belong here: boto3 (aws/),
joining records with what was found (enrich/).
"""

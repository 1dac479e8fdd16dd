"""Source 1: Kinesis streams, read by the Kinesis Client Library (kcl/)."""

"""vpcflow: VPC Flow Logs in, named IPFIX out.

The path of a record is the order of the rooms: sources → decode → select → enrich → encode → export.
`pipeline.py` is that path as one function; `docs/the-way-of-a-record.md` tells it in words.

This module stays empty of imports: the KCL child runs from this package and must stay thin.
"""

__version__ = "0.1.0"

"""encode: columns become IPFIX messages. Pure: no socket, no clock, no logger.

Belongs here: the information model (`elements`, `iana`, `enterprise`, and `mapping`, the table people edit), templates
and their numbers, the kernels that write records, messages ready but for export time and sequence number.
Does not: sending, pacing, when templates are repeated (export/), and reading IPFIX back (collect/).
"""

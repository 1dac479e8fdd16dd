"""encode: columns become IPFIX messages. Pure: no socket, no clock, no logger.

Belongs here: the information model (`elements`, `iana`, `enterprise`, and `mapping`, the table people edit), templates
and their numbers, the kernels that write records, messages ready but for export time and sequence number.
Does not: sending, pacing, when templates are repeated (export/), and reading IPFIX back (collect/).
"""


def warm_up() -> None:
    """Compile this room's kernels, or load them from the cache. Seconds the first time, milliseconds after."""
    from consumer.encode.compiling import compile_kernels  # not at the top: the information model needs no compiler

    compile_kernels()

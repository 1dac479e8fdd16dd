"""Parquet: the bytes of an object to slices of its rows (model/row_slice.py).

A room below sources and decode, because both need it: sources to bring the bytes, decode for nothing but the shape.
Format: https://github.com/apache/parquet-format (README, Encodings.md, parquet.thrift; read 2026-11-21).
"""

from consumer.parquet.warm_up import warm_up

__all__ = ["warm_up"]

"""Installs what `vpcflow demo` and the integration tests emulate AWS with; a part of `make setup`."""

from __future__ import annotations

from consumer.demo.node import find_kinesis_local, install_kinesis_local

if __name__ == "__main__":
    install_kinesis_local()
    print(f"emulated Kinesis: {find_kinesis_local()}")

"""How the test flow of `vpcflow check collector` is found in the collectors people have.

Belongs here: one way a collector. Does not: setting the collector up (docs/collectors/) or sending the flow (check.py).
Every way goes by address, which each of them shows in every profile.
"""

from __future__ import annotations

MARK = "vpcflow-check"
"""The name of everything about the flow that has one."""
SOURCE, DESTINATION = "192.0.2.1", "198.51.100.1"
"""Of the blocks for documentation (RFC 5737): no real flow has them."""
SOURCE_PORT, DESTINATION_PORT = 49_152, 4739

LOOKS = {
    "nfdump": "nfdump -R FOLDER 'src ip {source} and dst ip {destination}' (a file is complete after -t, 300 s)",
    "pmacct": "grep {source} PRINT_OUTPUT_FILE (written every print_refresh_time)",
    "goflow2": "grep {source} FILE (that of -transport.file, else what it prints)",
    "tshark": "tshark -i any -f 'udp port {port}' -d udp.port=={port},cflow -Y 'cflow.srcaddr == {source}', "
    "started before this command",
    "Logstash": 'netflow.sourceIPv4Address : "{source}"',
    "Filebeat": 'netflow.source_ipv4_address : "{source}"',
    "Telegraf": "measurement netflow with the field src = {source}",
    "Graylog": "sourceIPv4Address:{source}",
    "ipfixcol2": "grep {source} in what its json output writes",
    "vpcflow": "vpcflow dump --listen ADDRESS:{port}, started before this command",
}
"""Collector → what to type. `{port}`: the collector's own."""


def ways_to_look(port: int) -> dict[str, str]:
    """LOOKS, filled in for a collector on this port."""
    return {
        collector: text.format(source=SOURCE, destination=DESTINATION, port=port) for collector, text in LOOKS.items()
    }

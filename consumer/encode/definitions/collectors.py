"""THE table of collectors that a file can teach our names.

Belongs here: which collectors, what their file is called, who writes it. Does not: the formats (one module each), how
a collector is set up (docs/collectors/).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from consumer.encode.catalogue import Entry, catalogue
from consumer.encode.definitions import goflow2, graylog, logstash, pmacct, telegraf, tshark, xml_files
from consumer.encode.settings import DOCUMENTATION_ENTERPRISE_NUMBER, Profile

Writer = Callable[[Sequence[Entry]], str]
"""From the elements a profile sends to the text of the file; empty when the collector knows them all by itself."""


@dataclass(frozen=True, slots=True)
class Collector:
    """`page`: its page in docs/collectors, without the ending."""

    file_name: str
    what_it_is: str
    write: Writer
    page: str


COLLECTORS = {
    "goflow2": Collector("goflow2.yaml", "mapping file for -mapping", goflow2.write, "goflow2"),
    "pmacct": Collector("pmacct.lst", "primitives for nfacctd's aggregate_primitives", pmacct.write, "pmacct"),
    "logstash": Collector(
        "logstash.yaml", "ipfix_definitions of the netflow codec", logstash.write_logstash, "logstash"
    ),
    "telegraf": Collector(
        "telegraf.csv", "private_enterprise_number_files of inputs.netflow", telegraf.write, "telegraf"
    ),
    "filebeat": Collector(
        "filebeat.yaml", "custom_definitions of the netflow input", logstash.write_filebeat, "filebeat"
    ),
    "graylog": Collector("graylog.json", "IPFIX field definitions of the IPFIX input", graylog.write, "graylog"),
    "libfixbuf": Collector(
        "libfixbuf.xml",
        "element file of libfixbuf's tools (YAF, super_mediator)",
        xml_files.write_libfixbuf,
        "libfixbuf",
    ),
    "ipfixcol2": Collector(
        "ipfixcol2.xml",
        "user elements of libfds, for /etc/libfds/user/elements",
        xml_files.write_ipfixcol2,
        "ipfixcol2",
    ),
    "tshark": Collector("vpcflow.lua", "Lua post-dissector of Wireshark and tshark", tshark.write, "wireshark"),
}
"""Name on the command line → the file. nfdump is not here: it cannot be taught."""


def definitions(
    collector: str,
    private_enterprise_number: int = DOCUMENTATION_ENTERPRISE_NUMBER,
    profile: Profile = "full",
) -> str:
    """The file for one collector; empty when the profile sends nothing the collector would have to be taught.

    It has every element the profile may send, whatever the log format: collectors that meet one element they do not
    know throw away the whole template (Logstash) or message (Graylog).
    """
    entries = [entry for entry in catalogue(private_enterprise_number) if profile in entry.profiles]
    return COLLECTORS[collector].write(entries)

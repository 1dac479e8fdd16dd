"""What begins like a flow log is one; everything else in a bucket is not."""

from __future__ import annotations

import pytest

from consumer.sources.s3.proof import is_flow_log


@pytest.mark.parametrize(
    "text",
    [
        b"version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end\n2 1",
        b"srcaddr dstaddr bytes start end",
        b"version resource-type account-id tgw-id tgw-attachment-id\n6 TransitGateway",
        b"\xef\xbb\xbfinterface_id bytes\r\n",
        b"2 123456789010 eni-1235b8ca 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK\n",
        b'{"messageType":"DATA_MESSAGE","owner":"1","logGroup":"g","logStream":"s","logEvents":[]}',
        b'{"events": [{"message": "2 ..."}]}',
    ],
    ids=["default", "custom", "transit-gateway", "underscores", "no-header", "envelope", "filter-log-events"],
)
def test_headers_records_and_envelopes_are_flow_logs(text: bytes) -> None:
    assert is_flow_log(text)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\n",
        b"to be or not to be\n",
        bytes(range(256)),
        b'{"Records": [{"eventVersion": "1.08"}]}',
        b"2 3 4\n",
        b'http 2018-07-02T22:23:00.186641Z app/my-lb/50dc6c495c0c9188 192.168.131.39:2817 "GET / HTTP/1.1"',
    ],
    ids=["empty", "blank", "words", "binary", "trail", "numbers", "balancer"],
)
def test_other_text_is_not(text: bytes) -> None:
    assert not is_flow_log(text)

"""Answers handed over as the bytes that came in, where a Python object for each of their events would cost too much.

Belongs here: the two operations this is done for, and how botocore is told. Does not: reading the bytes (decode/).
botocore's `before-parse` event is its way to change an answer before it is parsed; what the handler puts into
`customized_response_dict` becomes part of the parsed answer. Errors are left to botocore, whose retries need them.
Measured: a page of 4,000 events takes botocore's parser 150 times as long as our kernel.
"""

from __future__ import annotations

from typing import Any

from botocore.client import BaseClient

from consumer.aws.operations import FILTER_LOG_EVENTS, GET_LOG_EVENTS

BODY = "vpcflow_body"
"""Where the bytes stand in the answer."""
_RAW = (FILTER_LOG_EVENTS, GET_LOG_EVENTS)


def keep_bodies(client: BaseClient, service: str) -> None:
    """Let the client hand over the bodies of log events unparsed."""
    for operation in _RAW:
        if operation.service == service:
            name = client.meta.service_model.service_id.hyphenize()
            client.meta.events.register(f"before-parse.{name}.{operation.name}", _keep)


def _keep(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: object) -> None:
    if response_dict["status_code"] < 300:
        customized_response_dict[BODY] = response_dict["body"]
        response_dict["body"] = b"{}"

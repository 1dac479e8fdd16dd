"""Whole lists out of paged operations.

Belongs here: following page tokens. Does not: one-answer calls (sessions.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

from botocore import xform_name

from consumer.aws.faults import FOREIGN_ERRORS
from consumer.aws.operations import Operation
from consumer.aws.roles import Target
from consumer.aws.sessions import Asked, Sessions
from consumer.errors import RefusedError, SessionOverError


def items(sessions: Sessions, operation: Operation, target: Target, **parameters: Any) -> Iterator[Any]:
    """Every item of the operation's list, page after page; blocks between pages. Errors are ours, as in `call`.

    Always with a page size: an unpaged call is throttled by itself in large accounts (EC2 API reference, "Query
    requests: pagination").
    """
    pages = _pages(sessions, operation, target, parameters)
    try:
        begun = list(islice(pages, 1))
    except SessionOverError:
        pages = _pages(sessions, operation, target, parameters)  # with new keys
        begun = []
    for page in chain(begun, pages):
        if operation.items not in page:  # an answer of something in between; "nothing there" would let go of what is
            raise RefusedError(operation.action, "UnknownShape", f"the answer holds no {operation.items}")
        yield from page[operation.items]


def _pages(sessions: Sessions, operation: Operation, target: Target, parameters: dict[str, Any]) -> Iterator[Any]:
    client = sessions.client(operation.service, target)
    paginator = client.get_paginator(xform_name(operation.name))
    asked = Asked.of(operation, target, parameters)
    try:
        sizes = {"PageSize": operation.page_size} if operation.page_size else {}
        for page in paginator.paginate(PaginationConfig=sizes, **parameters):
            sessions.count(operation)
            sessions.outcomes[asked] = None
            yield page
    except FOREIGN_ERRORS as error:
        raise sessions.told(asked, error) from error

"""Who reports what: flow logs as AWS describes them, and the source chosen for each, with the reason in words.

Belongs here: the values. Does not: finding flow logs (discovery/), choosing (discovery/plan/choosing.py), leaving rows
out (select/). Shapes: EC2 API reference, FlowLog.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from consumer.model.delivery import SourceKind
from consumer.model.place import LogGroupKey

TRAFFIC = {"ALL": frozenset({"ACCEPT", "REJECT"}), "ACCEPT": frozenset({"ACCEPT"}), "REJECT": frozenset({"REJECT"})}
"""What a flow log of each traffic type holds; a transit gateway's has none of them and holds everything."""


@dataclass(frozen=True, slots=True)
class FlowLog:
    """One flow log. `account` owns it; `destination`: ARN, empty where AWS only names the log group.

    `traffic`: ALL, ACCEPT or REJECT. `log_format`: as AWS spells it. `delivery_status`: SUCCESS or FAILED, empty =
    nothing was delivered yet; `delivery_error`: AWS's words for a failure.
    """

    id: str
    account: str
    region: str
    resource_id: str
    traffic: str
    log_format: str
    destination_type: str
    destination: str
    log_group: str
    interval_seconds: int
    delivery_status: str
    delivery_error: str

    @property
    def is_failing(self) -> bool:
        """AWS says that it cannot deliver."""
        return self.delivery_status == "FAILED"

    @property
    def actions(self) -> frozenset[str]:
        """ACCEPT, REJECT or both: the flows it holds."""
        return TRAFFIC.get(self.traffic, TRAFFIC["ALL"])


@dataclass(frozen=True, slots=True)
class Choice:
    """The decision on one flow log.

    `source` None = nobody reports it. `via`: stream (ARN, or `REGION/NAME` where only the settings know it), log group
    or bucket. `group`: the log group it writes into, by whatever way that is read. `also`: what else delivers it or
    could, in words; `if_it_fails`: what happens then; `may_be_polled`: its
    group is, then; `notes`: what is odd about it. `excluding`: flow logs whose
    interfaces lie inside this one's resource and are reported by them instead. `covered_by`: flow logs that report all
    of its flows, so that nobody misses it. `queue`: ARN of the queue that tells of its objects. `stands_in_for`: flow
    logs whose flows are reported from its objects while nothing else delivers them.
    """

    flow_log: FlowLog
    source: SourceKind | None
    via: str
    reason: str
    group: LogGroupKey | None = None
    also: tuple[str, ...] = ()
    if_it_fails: str = ""
    may_be_polled: bool = False
    notes: tuple[str, ...] = ()
    excluding: tuple[str, ...] = ()
    covered_by: tuple[str, ...] = ()
    queue: str = ""
    stands_in_for: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Choices by flow log id. `order`: those with a source, the better first; of two that record the same flow, the
    first reports it. `inside`: resource → what it lies in (interface → subnet, VPC; subnet → VPC; …)."""

    choices: Mapping[str, Choice] = field(default_factory=lambda: MappingProxyType({}))
    order: tuple[str, ...] = ()
    inside: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))

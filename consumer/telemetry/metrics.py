"""Every metric there is: name, unit, labels, meaning. Declared once, here; docs/metrics.md is generated from it.

Labels are closed sets or named by the user's configuration (collector, stream); never an address. Those an estate has
thousands of (LIMITED_LABELS) keep the names that came first, the rest are `other`. Prometheus naming: base units, `_total`
on counters (https://prometheus.io/docs/practices/naming/).
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge

from consumer.model.tally import Tally

LIMITED_LABELS = frozenset(("log_group", "flow_log", "resource"))
"""Labels that name what an estate may have any number of."""
NAMES_LIMIT = 1_000
"""Names of each such label that are told; a name that is forgotten makes room."""
OTHER = "other"

Series = tuple[str, tuple[str, ...]]
"""A metric's name and its labels' values, before any became `other`."""


@dataclass(frozen=True, slots=True)
class Declared:
    """One metric as data."""

    name: str
    kind: type[Counter] | type[Gauge]
    labels: tuple[str, ...]
    help: str


DECLARED: tuple[Declared, ...] = (
    Declared("vpcflow_lines_total", Counter, ("source",), "Data lines and log events read; equals exported + dropped + quarantined."),
    Declared("vpcflow_exported_lines_total", Counter, ("source",), "Lines handed to the kernel for every required collector."),
    Declared("vpcflow_dropped_lines_total", Counter, ("source", "reason"), "Lines left out on purpose (nodata, skipdata, …)."),
    Declared("vpcflow_quarantined_lines_total", Counter, ("source", "reason"), "Lines that could not be read; kept in the dead letter file."),
    Declared("vpcflow_payloads_total", Counter, ("source", "reason"), "Whole payloads that were not flow logs (control_message) or could not be read (bad_gzip, …)."),
    Declared("vpcflow_deliveries_total", Counter, ("source",), "Deliveries acknowledged: one Kinesis record, one page of events, one chunk of an object."),
    Declared("vpcflow_cut_strings_total", Counter, (), "Strings shortened because a record did not fit a message."),
    Declared("vpcflow_unnamed_total", Counter, ("reason",), "Rows that stayed without a name: unknown_interface, unknown_vpc; or an end that several VPCs could own: ambiguous_source, ambiguous_destination."),
    Declared("vpcflow_collector_records_total", Counter, ("collector",), "IPFIX data records handed to the kernel, options excluded."),
    Declared("vpcflow_collector_messages_total", Counter, ("collector",), "IPFIX messages handed to the kernel."),
    Declared("vpcflow_collector_bytes_total", Counter, ("collector",), "Bytes of IPFIX messages handed to the kernel."),
    Declared("vpcflow_collector_dropped_records_total", Counter, ("collector",), "Records that a collector with required = false could not take."),
    Declared("vpcflow_collector_send_errors_total", Counter, ("collector", "reason"), "Failed sends by reason (refused, unreachable, too_large, no_buffer, unresolved)."),
    Declared("vpcflow_collector_holding", Gauge, ("collector",), "1 while a required collector holds the pipeline."),
    Declared("vpcflow_pacing_wait_seconds_total", Counter, ("collector",), "Seconds spent waiting for the rate limit."),
    Declared("vpcflow_stream_state", Gauge, ("stream",), "1 = reading, 0 = waiting or failing; /health has the reason."),
    Declared("vpcflow_stream_behind_seconds", Gauge, ("stream",), "How far the slowest shard is behind the stream's tip."),
    Declared("vpcflow_stream_silent_seconds", Gauge, ("stream",), "Since the KCL last called us for the quietest shard; it calls every second or so, with or without records, unless a collector holds."),
    Declared("vpcflow_stream_restarts_total", Counter, ("stream",), "Times the stream's MultiLangDaemon was started again."),
    Declared("vpcflow_queue_waiting", Gauge, ("queue",), "Messages that wait in a queue, as SQS estimates (every minute)."),
    Declared("vpcflow_queue_in_flight", Gauge, ("queue",), "Messages that somebody has received and not deleted, as SQS estimates."),
    Declared("vpcflow_queue_receive_count", Gauge, ("queue",), "How often the most often received message of the last minute was received: above 1 something fails or takes longer than s3.visibility_seconds."),
    Declared("vpcflow_queue_workers", Gauge, ("queue",), "Objects that are read at this moment."),
    Declared("vpcflow_queue_messages_total", Counter, ("queue", "outcome"), "Messages by their end: deleted, quarantined (kept in the dead letter, then deleted), given_back (a stop), left (something failed: it comes again, or AWS moves it to the dead-letter queue), lost (others may have it), not_deleted (comes again and is recognised)."),
    Declared("vpcflow_queue_parts_total", Counter, ("queue", "reason"), "Parts of messages that announce no object: test_event, not_created, no_records, subscription; or say nothing we understand: not_json, unknown_shape, no_object."),
    Declared("vpcflow_objects_total", Counter, ("queue", "outcome"), "Announced objects by what came of them: exported, repeated (was exported before), gone, faulty (damaged: all that could be read was exported), denied, later (throttled), replaced (while it was read; it is read anew), failed, interrupted, busy, skipped_other_service, skipped_other_file, skipped_folder, skipped_empty, skipped_not_a_flow_log, skipped_not_chosen; and deleted, not_deleted where buckets.delete_prefix asks for it."),
    Declared("vpcflow_object_bytes_total", Counter, ("queue",), "Bytes of objects fetched from S3, as they are stored."),
    Declared("vpcflow_object_retries_total", Counter, ("queue",), "Times a broken or throttled read of an object was taken up again where it broke."),
    Declared("vpcflow_polling_calls_total", Counter, ("log_group", "outcome"), "Calls for pages of a polled log group: answered, later (throttled, timed out; made again), refused."),
    Declared("vpcflow_polling_group_calls_per_second", Gauge, ("log_group",), "Calls a second that the log group may make just now; below polling.group_calls_per_second: it was throttled."),
    Declared("vpcflow_polling_region_calls_per_second", Gauge, ("account", "region"), "Calls a second that all polled log groups of an account and region may make just now; below polling.calls_per_second: several were throttled."),
    Declared("vpcflow_polling_behind_seconds", Gauge, ("log_group",), "Since when arrivals in the log group may not be exported yet; about one interval (or sweep_seconds, in busy groups) when all is well."),
    Declared("vpcflow_polling_pass_pages", Gauge, ("log_group",), "Pages of the last pass over the log group."),
    Declared("vpcflow_polling_pass_seconds", Gauge, ("log_group",), "How long the last pass over the log group took, exporting included."),
    Declared("vpcflow_polling_interval_seconds", Gauge, ("log_group",), "Time between the last two passes over the log group, before jitter; above polling.interval_seconds: passes take longer than that."),
    Declared("vpcflow_source_switches_total", Counter, ("log_group", "to"), "Changes between a stream and polling in its place: to polling, returning (Kinesis is well again), leaving (the last sweep), stream; to s3, where neither delivers, and back to chosen. The log and /health have the reasons."),
    Declared("vpcflow_polled_for_stream", Gauge, ("log_group",), "1 while the log group is polled in place of its stream."),
    Declared("vpcflow_reported_from_s3", Gauge, ("log_group",), "1 while the flows of the log group are reported from a flow log in S3, because neither its stream nor polling delivers them."),
    Declared("vpcflow_plan_flow_logs", Gauge, ("source",), "Flow logs by the source that the plan chose; none = left out, or nobody reads it."),
    Declared("vpcflow_plan_flow_log", Gauge, ("flow_log", "resource", "source"), "1 for the source chosen for a flow log; /health has the reasons."),
    Declared("vpcflow_remembered_events", Gauge, (), "Log events remembered so that none goes out twice."),
    Declared("vpcflow_forgotten_events", Gauge, (), "Log events forgotten before their time since the start, because memory_mb of [repeats] is too small for the rate."),
    Declared("vpcflow_inventory_entities", Gauge, ("kind",), "Interfaces and endpoints known."),
    Declared("vpcflow_inventory_age_seconds", Gauge, (), "Age of the inventory snapshot in use."),
    Declared("vpcflow_interfaces_looked_up_total", Counter, (), "Interfaces made since the last discovery, found by their id when flows named them."),
    Declared("vpcflow_interface_look_up_errors_total", Counter, (), "Look-ups of unknown interfaces that failed."),
    Declared("vpcflow_aws_ranges_age_seconds", Gauge, (), "Age of AWS's list of its public address ranges."),
    Declared("vpcflow_inventory_problems", Gauge, (), "Accounts and regions that could not be read at the last refresh."),
)  # fmt: skip


class Settable(Protocol):
    """A gauge's value."""

    def set(self, value: float) -> None: ...


class _Rest:
    """What a gauge shows as `other`: the highest of the values that have no name of their own."""

    def __init__(self) -> None:
        self.reads: dict[Series, Callable[[], float]] = {}

    def highest(self) -> float:
        return max((read() for read in list(self.reads.values())), default=0.0)


class _OneOfRest:
    """One of them."""

    def __init__(self, rest: _Rest, series: Series) -> None:
        self._rest, self._series = rest, series

    def set(self, value: float) -> None:
        self._rest.reads[self._series] = lambda: value


@dataclass(slots=True)
class _Name:
    """A limited label's value. `is_told`: it came while there was room. `users`: series that have it."""

    is_told: bool
    users: set[Series] = field(default_factory=set)


class Metrics:
    """The declared metrics, alive in one registry. Look one up by its declared name. Any thread may."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._by_name = {
            item.name: item.kind(item.name, item.help, item.labels, registry=self.registry) for item in DECLARED
        }
        self._lock = threading.Lock()
        self._names: dict[str, dict[str, _Name]] = {label: {} for label in LIMITED_LABELS}
        self._told_counts = dict.fromkeys(LIMITED_LABELS, 0)
        self._rests: dict[Series, _Rest] = defaultdict(_Rest)

    def counter(self, name: str, **labels: str) -> Counter:
        """The counter `name` for these labels. KeyError: it is not declared."""
        metric = self._by_name[name]
        assert isinstance(metric, Counter), name
        return metric.labels(**self._told(name, labels)) if labels else metric

    def gauge(self, name: str, **labels: str) -> Settable:
        """The gauge `name` for these labels. KeyError: it is not declared."""
        metric, told = self._by_name[name], self._told(name, labels)
        assert isinstance(metric, Gauge), name
        if told != labels:
            return _OneOfRest(self._rest(metric, name, told), _series(name, labels))
        return metric.labels(**labels) if labels else metric

    def read_gauge(self, name: str, read: Callable[[], float], **labels: str) -> None:
        """Let the gauge be read at each scrape instead of being set."""
        metric, told = self._by_name[name], self._told(name, labels)
        assert isinstance(metric, Gauge), name
        if told != labels:
            self._rest(metric, name, told).reads[_series(name, labels)] = read
        else:
            (metric.labels(**labels) if labels else metric).set_function(read)

    def forget(self, name: str, **labels: str) -> None:
        """Remove one labelled value: what it spoke of is gone. Harmless when there is none."""
        metric, series, told = self._by_name[name], _series(name, labels), self._told(name, labels)
        rest = None
        if told != labels:
            rest = self._rests[_series(name, told)]
            rest.reads.pop(series, None)
        if rest is None or not rest.reads:
            with suppress(KeyError):
                metric.remove(*(told[label] for label in metric._labelnames))
        with self._lock:
            for label in LIMITED_LABELS & labels.keys():
                one = self._names[label][labels[label]]
                one.users.discard(series)
                if not one.users:
                    del self._names[label][labels[label]]
                    self._told_counts[label] -= one.is_told

    def _told(self, name: str, labels: dict[str, str]) -> dict[str, str]:
        """The labels as they are shown. One name too many, and all of the series that is limited is `other`.

        What a name is shown as stays so until the last of its series is forgotten.
        """
        limited = LIMITED_LABELS & labels.keys()
        if not limited:
            return labels
        with self._lock:
            found = [self._name(label, labels[label]) for label in limited]
            for one in found:
                one.users.add(_series(name, labels))
        if all(one.is_told for one in found):
            return labels
        return {label: OTHER if label in limited else value for label, value in labels.items()}

    def _name(self, label: str, value: str) -> _Name:
        names = self._names[label]
        name = names.get(value)
        if name is None:
            name = names[value] = _Name(self._told_counts[label] < NAMES_LIMIT)
            self._told_counts[label] += name.is_told
        return name

    def _rest(self, metric: Gauge, name: str, told: Mapping[str, str]) -> _Rest:
        rest = self._rests[_series(name, told)]
        metric.labels(**told).set_function(rest.highest)
        return rest

    def count_tally(self, source: str, tally: Tally) -> None:
        """Add a finished delivery's counts."""
        self.counter("vpcflow_lines_total", source=source).inc(tally.lines)
        self.counter("vpcflow_exported_lines_total", source=source).inc(tally.exported)
        for reason, count in tally.dropped.items():
            self.counter("vpcflow_dropped_lines_total", source=source, reason=reason).inc(count)
        for reason, count in tally.quarantined.items():
            self.counter("vpcflow_quarantined_lines_total", source=source, reason=reason).inc(count)
        for reason, count in tally.payloads.items():
            self.counter("vpcflow_payloads_total", source=source, reason=reason).inc(count)


def _series(name: str, labels: Mapping[str, str]) -> Series:
    return name, tuple(labels[label] for label in sorted(labels))

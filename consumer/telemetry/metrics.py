"""Every metric there is: name, unit, labels, meaning. Declared once, here; docs/metrics.md is generated from it.

Labels are closed sets or named by the user's configuration (collector, stream); never an address. Prometheus
naming: base units, `_total` on counters (https://prometheus.io/docs/practices/naming/).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge

from consumer.model.tally import Tally


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
    Declared("vpcflow_polling_calls_total", Counter, ("log_group", "outcome"), "Calls for pages of a polled log group: answered, later (throttled, timed out; made again), refused. What botocore itself repeats is not counted."),
    Declared("vpcflow_polling_behind_seconds", Gauge, ("log_group",), "Since when arrivals in the log group may not be exported yet; about one interval (or sweep_seconds, in busy groups) when all is well."),
    Declared("vpcflow_polling_pass_pages", Gauge, ("log_group",), "Pages of the last pass over the log group."),
    Declared("vpcflow_polling_pass_seconds", Gauge, ("log_group",), "How long the last pass over the log group took, exporting included."),
    Declared("vpcflow_polling_interval_seconds", Gauge, ("log_group",), "Time between the last two passes over the log group, before jitter; above polling.interval_seconds: passes take longer than that."),
    Declared("vpcflow_source_switches_total", Counter, ("log_group", "to"), "Changes between a stream and polling in its place: to polling, returning (Kinesis is well again), leaving (the last sweep), stream. The log and /health have the reasons."),
    Declared("vpcflow_polled_for_stream", Gauge, ("log_group",), "1 while the log group is polled in place of its stream."),
    Declared("vpcflow_plan_flow_logs", Gauge, ("source",), "Flow logs by the source that the plan chose; none = left out, or nobody reads it."),
    Declared("vpcflow_plan_flow_log", Gauge, ("flow_log", "resource", "source"), "1 for the source chosen for a flow log; the first 1,000 have one. /health has the reasons."),
    Declared("vpcflow_remembered_events", Gauge, (), "Log events remembered so that none goes out twice."),
    Declared("vpcflow_forgotten_events", Gauge, (), "Log events forgotten before their time since the start, because memory_mb of [repeats] is too small for the rate."),
    Declared("vpcflow_inventory_entities", Gauge, ("kind",), "Interfaces and endpoints known."),
    Declared("vpcflow_inventory_age_seconds", Gauge, (), "Age of the inventory snapshot in use."),
    Declared("vpcflow_interfaces_looked_up_total", Counter, (), "Interfaces made since the last discovery, found by their id when flows named them."),
    Declared("vpcflow_interface_look_up_errors_total", Counter, (), "Look-ups of unknown interfaces that failed."),
    Declared("vpcflow_aws_ranges_age_seconds", Gauge, (), "Age of AWS's list of its public address ranges."),
    Declared("vpcflow_inventory_problems", Gauge, (), "Accounts and regions that could not be read at the last refresh."),
)  # fmt: skip


class Metrics:
    """The declared metrics, alive in one registry. Look one up by its declared name."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._by_name = {
            item.name: item.kind(item.name, item.help, item.labels, registry=self.registry) for item in DECLARED
        }

    def counter(self, name: str, **labels: str) -> Counter:
        """The counter `name` for these labels. KeyError: it is not declared."""
        metric = self._by_name[name]
        assert isinstance(metric, Counter), name
        return metric.labels(**labels) if labels else metric

    def gauge(self, name: str, **labels: str) -> Gauge:
        """The gauge `name` for these labels. KeyError: it is not declared."""
        metric = self._by_name[name]
        assert isinstance(metric, Gauge), name
        return metric.labels(**labels) if labels else metric

    def read_gauge(self, name: str, read: Callable[[], float], **labels: str) -> None:
        """Let the gauge be read at each scrape instead of being set."""
        self.gauge(name, **labels).set_function(read)

    def forget(self, name: str, **labels: str) -> None:
        """Remove one labelled value: what it spoke of is gone. Harmless when there is none."""
        metric = self._by_name[name]
        with suppress(KeyError):
            metric.remove(*(labels[label] for label in metric._labelnames))

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

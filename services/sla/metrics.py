"""Every metric of sla, declared once."""

from __future__ import annotations

from typing import Final

from shared.observability.metrics import counter, gauge, histogram

ITEMS: Final = gauge("casestream_sla_items_watched", "Items with clocks held in memory, finished ones that are still remembered included.")
TIMERS: Final = gauge("casestream_sla_timers_pending", "Entries of the heaps: moments at which something is to be done.")
MESSAGES: Final = counter("casestream_sla_consumed_messages", "Messages taken in.")
IGNORED: Final = counter("casestream_sla_ignored_events", "Events that changed nothing: older or known revisions, types without clocks.")
ALERTS: Final = counter("casestream_sla_alerts", "Alerts published, by type.", ["type"])
LATENESS: Final = histogram(
    "casestream_sla_fire_lateness_seconds",
    "From the moment a timer was due to its firing.",
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300, 3600),
)
TRANSACTION_SECONDS: Final = histogram("casestream_sla_transaction_seconds", "Time of a Kafka transaction's commit.")
RECOVERY_SECONDS: Final = gauge("casestream_sla_recovery_seconds", "Time that reading the changelog back took at the last assignment.")
LAG: Final = gauge("casestream_sla_consumer_lag_messages", "Messages not yet taken in, by topic and partition.", ["topic", "partition"])
DEAD_LETTERS: Final = counter("casestream_sla_dead_letters", "Messages set aside, by topic and kind.", ["topic", "kind"])
WAITS: Final = counter("casestream_sla_partition_waits", "Times a partition waited for a configuration version not known yet.", ["topic"])
ABORTS: Final = counter("casestream_sla_aborted_transactions", "Transactions given up and done again.")
AT_RISK: Final = gauge("casestream_sla_at_risk_clocks", "Running clocks that are due soon, by kind.", ["kind"])
BREACHED: Final = gauge("casestream_sla_breached_clocks", "Running clocks whose due time has passed, by kind.", ["kind"])
PURGED: Final = counter("casestream_sla_purged_items", "Finished items whose clocks are no longer kept for reports.")

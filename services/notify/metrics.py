"""Every metric of notify. The consumer loop's and the publisher's are declared by shared.messaging."""

from shared.observability.metrics import counter, gauge, histogram

QUEUED = counter("casestream_notify_queued_deliveries", "Deliveries queued, by communication definition.", ["definition"])
ATTEMPTS = counter("casestream_notify_attempts", "Attempts to send, by how they ended.", ["outcome"])
STOPPED = counter(
    "casestream_notify_stopped_deliveries",
    "Deliveries that bounced after they were sent, or failed unsent as their address is dead or their alert was withdrawn.",
    ["state"],
)
UNSENT = counter(
    "casestream_notify_unsent_deliveries", "Deliveries that failed without being sent, by why: suppressed, too_many, expired.", ["reason"]
)
FLOODS = counter("casestream_notify_floods", "Cases about which an address had too many messages in a day, each counted once.")
LIMITED = gauge("casestream_notify_limited_deliveries", "Deliveries that wait because their recipient has had enough for the hour.")
for _reason in ("suppressed", "too_many", "expired"):
    UNSENT.labels(_reason)  # shown from the start: from nothing to 1 is no increase for Prometheus
DIGESTS = counter("casestream_notify_digests", "Digests made for staff.")
TAKEOVERS = counter(
    "casestream_notify_takeovers", "Deliveries claimed again from a holder that never said how it went: each may be a message sent twice."
)
SMTP_SECONDS = histogram("casestream_notify_smtp_seconds", "From handing a message over to the mail server's answer.")
WAITED_SECONDS = histogram(
    "casestream_notify_delivery_seconds", "From queued to sent or given up.", buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 30, 300, 3600, 86_400)
)
WAITING = gauge("casestream_notify_waiting_deliveries", "Deliveries queued or claimed.")
OVERDUE_SECONDS = gauge("casestream_notify_overdue_seconds", "How long the delivery that is due longest has waited for a sender.")

SMS_SECONDS = histogram("casestream_notify_sms_seconds", "One message's exchange with the gateway of text messages.")
WEBHOOK_QUEUED = counter("casestream_notify_queued_webhook_messages", "Events queued for a webhook.", ["webhook"])
WEBHOOK_ATTEMPTS = counter("casestream_notify_webhook_attempts", "Attempts to tell a webhook, by how they ended.", ["webhook", "ending"])
WEBHOOK_SECONDS = histogram("casestream_notify_webhook_seconds", "One exchange with a webhook.")
WEBHOOK_WAITING = gauge("casestream_notify_waiting_webhook_messages", "Events that wait to be told to a webhook.", ["webhook"])
WEBHOOK_OVERDUE_SECONDS = gauge("casestream_notify_webhook_overdue_seconds", "How long the first of these has waited.", ["webhook"])
WEBHOOK_PAUSED = gauge("casestream_notify_paused_webhooks", "1: nothing is told to the webhook until somebody resumes it.", ["webhook"])

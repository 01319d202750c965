"""Every metric of ingest. The consumer loop's and the publisher's are declared by shared.messaging."""

from shared.observability.metrics import SIZES, counter, gauge, histogram

MAILS = counter("casestream_ingest_mails", "Mails acknowledged, repeats too, by whether a machine sent them.", ["robot"])
UNREADABLE = counter("casestream_ingest_unreadable_mails", "Mails of which nothing could be read; each is a communication all the same.")
UNPLACED = counter("casestream_ingest_unplaced_mails", "Mails that reached no nominated account that could be told.")
POSTS = counter(
    "casestream_ingest_posts", "Posts on X that were taken, repeats too: of others, unreadable, or our own (skipped).", ["kind"]
)
CONTACTS = counter("casestream_ingest_contacts", "Contact events made into communications, by how they came.", ["by"])
FORMS = counter("casestream_ingest_web_forms", "Web forms that were sent, by form and by what became of them.", ["form", "outcome"])
PHONE_EVENTS = counter("casestream_ingest_phone_events", "What telephone gateways reported and was taken, repeats too.", ["what"])
STORED_BYTES = counter("casestream_ingest_stored_bytes", "Bytes of raw mails and files given to the object store, repeats too.")
BATCH_MAILS = histogram("casestream_ingest_delivery_mails", "Mails that were delivered together.", buckets=SIZES)
STEP_SECONDS = histogram(
    "casestream_ingest_delivery_seconds",
    "Steps of a delivery: read (parse, identify; raw mails are stored meanwhile), store, publish (to Kafka's word).",
    ["step"],
)
REFUSED = counter(
    "casestream_ingest_refused_deliveries", "Deliveries refused for their sender to repeat, by what was away, or full (memory).", ["away"]
)
SOURCES_HELD = gauge("casestream_ingest_sources_held", "Channels that this process polls.")
SOURCE_ITEMS = counter("casestream_ingest_source_items", "Mails and posts taken from a channel, repeats too.", ["source"])
SOURCE_FAILURES = counter("casestream_ingest_source_failures", "Times that a channel could not be read, by why.", ["source", "reason"])
SOURCE_READ_TIMESTAMP = gauge(
    "casestream_ingest_source_read_timestamp_seconds", "When a channel was last read to its end; its lag is the time since.", ["source"]
)
SOURCE_CREDENTIAL_TIMESTAMP = gauge(
    "casestream_ingest_source_credential_end_timestamp_seconds", "When the credential of a channel ends, where that is known.", ["source"]
)
SOURCE_READS_LEFT = gauge("casestream_ingest_source_reads_left", "Paid reads of a channel that are left today.", ["source"])
RECEIVED = counter(
    "casestream_ingest_received_mails",
    "Mails that mail servers sent over LMTP or SMTP, by outcome: taken, deferred, too_large, unknown (account), cut off, unanswered (the "
    "connection was lost after all of it had come).",
    ["outcome"],
)
RECEIVE_CONNECTIONS = gauge("casestream_ingest_receive_connections", "Open connections of mail servers.")
RECEIVE_HELD_BYTES = gauge("casestream_ingest_receive_held_bytes", "Bytes of received mails held in memory.")
TURNED_AWAY = counter("casestream_ingest_turned_away_connections", "Connections refused at once, by reason: network, full.", ["reason"])
REFUSED_RECIPIENTS = counter("casestream_ingest_refused_recipients", "Recipients refused, by reason: unknown, unready, many.", ["reason"])

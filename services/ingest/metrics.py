"""Every metric of ingest. The consumer loop's and the publisher's are declared by shared.messaging."""

from shared.observability.metrics import SIZES, counter, histogram

MAILS = counter("casestream_ingest_mails", "Mails acknowledged, repeats too, by whether a machine sent them.", ["robot"])
UNREADABLE = counter("casestream_ingest_unreadable_mails", "Mails of which nothing could be read; each is a communication all the same.")
UNPLACED = counter("casestream_ingest_unplaced_mails", "Mails that reached no nominated account that could be told.")
POSTS = counter(
    "casestream_ingest_posts", "Posts on X that were taken, repeats too: of others, unreadable, or our own (skipped).", ["kind"]
)
CONTACTS = counter("casestream_ingest_contacts", "Contact events made into communications, by how they came.", ["by"])
STORED_BYTES = counter("casestream_ingest_stored_bytes", "Bytes of raw mails and files given to the object store, repeats too.")
BATCH_MAILS = histogram("casestream_ingest_delivery_mails", "Mails that were delivered together.", buckets=SIZES)
STEP_SECONDS = histogram(
    "casestream_ingest_delivery_seconds",
    "Steps of a delivery: read (parse, identify; raw mails are stored meanwhile), store, publish (to Kafka's word).",
    ["step"],
)
REFUSED = counter("casestream_ingest_refused_deliveries", "Deliveries refused for their sender to repeat, by what was away.", ["away"])

"""What becomes of what comes in: `mails` takes raw mail over HTTP, `contacts` other systems' contact events over HTTP and Kafka."""

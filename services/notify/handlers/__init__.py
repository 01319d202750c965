"""From events to queued deliveries (`queueing`, `occasions`), and from a delivery to its message (`composing`)."""

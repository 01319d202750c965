"""What goes over Kafka and what configures the organisation: envelope, events, topics, configuration. Pure models, no I/O."""

"""What goes over Kafka and what configures the organisation: the envelope, every event, every topic, the configuration. Pure models, no I/O."""

"""ingest: the way in. Raw mail and other systems' contact events become communications.

Owns reading mail, the files it came with (in the object store), and the ids by which a repeat is recognised. Consumes
`casestream.contact-events`; emits `casestream.communications`. It does not know whose a communication is or what it leads to (case does),
and keeps no communications: what it has told Kafka is not its own any more.
"""

"""The local platform: Kafka, PostgreSQL and every role of every service on one machine, for `casestream up` and tests.

Owns the state folder (`.casestream/`): data, ports, secrets, logs and caught mail. Knows the services only by their
command lines, environment and HTTP edges. Production does not use it: there Kubernetes runs the roles.
"""

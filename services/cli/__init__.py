"""The command line: the local platform, and a person's way to the services' public edges.

Owns no data. Reaches the services by HTTP only; of their code it imports nothing but pure parts (the mail parser).
"""

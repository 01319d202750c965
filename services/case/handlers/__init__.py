"""What happens on each event and command: load, decide by the domain's rules, save, emit.

`communications`, `clocks` and `tasks` take in batches of events; `commands` are what staff ask of a case, `staff` what they ask of a
communication; `rules` makes the domain's rules from a configuration version; `records` makes the rows of a communication and its cases;
`events` says what a case looks like to others.
"""

"""The stream: takes in cases and tasks, keeps the clocks, fires them, all exactly once through Kafka transactions.

Its state lives in memory, one heap and one table of packed records for each partition, and in the compacted changelog from which it comes
back. `loop` consumes and commits, `partition` decides, `timers` remembers, `changelog` recovers.
"""

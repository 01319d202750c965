"""What the service does: on events of cases and clocks (`cases`, `lags`), and by command (`commands`, `follow_ups`).

All change tasks through `Work`, one transaction's unit: what was loaded, what changed, and the events that tell of it.
"""

import services.task.handlers.automation  # noqa: F401 - has rules followed whenever work is saved

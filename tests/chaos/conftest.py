"""The campaigns are for `make soak` only."""

import os

collect_ignore = [] if int(os.environ.get("CASESTREAM_SOAK_ROUNDS", "0")) else ["test_campaign.py"]
if not os.environ.get("CASESTREAM_SOAK_MINUTES"):
    collect_ignore.append("test_timers_campaign.py")

"""The campaign is for `make soak` only."""

import os

collect_ignore = [] if int(os.environ.get("CASESTREAM_SOAK_ROUNDS", "0")) else ["test_campaign.py"]

"""`python -m tests.service.notify.webhook_process SETTINGS.json`: the role `hooks` in a process of its own, that a test can kill."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import orjson

from services.notify.handlers.webhook_telling import Teller
from services.notify.settings import HookSettings
from shared.messaging import StaticReference
from shared.storage import Database
from tests.support.configuration import a_configuration

if __name__ == "__main__":
    given = orjson.loads(Path(sys.argv[1]).read_bytes())
    settings = HookSettings(**given["settings"])
    reference = StaticReference(a_configuration(webhooks=given["webhooks"]))
    Teller(Database(settings.database, service="notify"), reference, settings, "hooks-0", threading.Event()).run()

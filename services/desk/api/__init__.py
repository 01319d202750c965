"""The desk's edges: the API for programs (`machines`), and the pages for people (`pages`)."""

from services.desk.api.run import Desk, desk_app, run

__all__ = ["Desk", "desk_app", "run"]

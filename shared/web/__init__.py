"""HTTP edges of the services: the app factory, access control, problem details, commands that are safe to repeat,
pages.

Owns how an API behaves, not what it offers. `permissions` is the one table of who may do what.
"""

from shared.web.app import create_app, serve
from shared.web.auth import Principal, TokenVerifier, requires
from shared.web.commands import Answer, Command, answer_once, check_revision, command, etag
from shared.web.dead_letters import dead_letters_router
from shared.web.pages import Page, PageRequest, page_of, page_request
from shared.web.problems import Conflict, Forbidden, NotFound, Problem, Unprocessable

__all__ = [
    "Answer",
    "Command",
    "Conflict",
    "Forbidden",
    "NotFound",
    "Page",
    "PageRequest",
    "Principal",
    "Problem",
    "TokenVerifier",
    "Unprocessable",
    "answer_once",
    "check_revision",
    "command",
    "create_app",
    "dead_letters_router",
    "etag",
    "page_of",
    "page_request",
    "requires",
    "serve",
]

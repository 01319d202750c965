"""An organisation with services, resources and capacities, whose staff may use what the desk has for them."""

from __future__ import annotations

from typing import Any

from tests.support.configuration import ROLES_WITH_APPROVALS, TASK_DEFINITIONS, USERS

MORE = {
    "agent": ["time:record", "resource:read", "booking:make"],
    "plumber": ["time:record"],
    "leader": ["absence:manage", "time:record", "service:waive", "resource:read", "booking:make", "booking:confirm"],
    "manager": ["absence:manage", "resource:read"],
}
SECTIONS: dict[str, Any] = {
    "roles": [role | {"permissions": [*role["permissions"], *MORE[role["code"]]]} for role in ROLES_WITH_APPROVALS],
    "users": [user | ({"capacity": 4, "skills": ["gas"]} if user["user"] == "paul" else {}) for user in USERS],
    "skills": [{"code": "gas", "name": "Gas engineer"}],
    "services": [{"code": "plumbing", "name": "Plumbing"}, {"code": "inspection", "name": "Inspection"}],
    "resources": [
        {
            "code": "paul",
            "name": "Paul Plumber",
            "kind": "person",
            "unit": "repairs",
            "user": "paul",
            "services": ["plumbing"],
            "calendar": "always",
        },
        {"code": "van", "name": "Van 2", "kind": "vehicle", "unit": "repairs", "calendar": "always", "needs_confirmation": True},
    ],
    "task_definitions": [
        TASK_DEFINITIONS[0]
        | {"services": [{"service": "plumbing", "mandatory": True, "minimum": "30 minutes"}, {"service": "inspection"}]},
        *TASK_DEFINITIONS[1:],
    ],
}

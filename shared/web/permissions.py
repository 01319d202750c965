"""The table of permissions, for those who stand above the schemas; it is kept in `shared.schemas.permissions`, where
the check of a
configuration can read it too."""

from shared.schemas.permissions import (
    PERMISSIONS,
    STANDARD_ROLES,
    Grant,
    Scope,
    StandardRole,
    combined,
    grant_of,
    unknown_permissions,
)

__all__ = ["PERMISSIONS", "STANDARD_ROLES", "Grant", "Scope", "StandardRole", "combined", "grant_of", "unknown_permissions"]

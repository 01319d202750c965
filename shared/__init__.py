"""What every service stands on: event schemas, messaging, storage, web, observability, business calendars. Owns no business rule."""

"""Tables of the desk: staff, units, configuration versions, browser sessions, failed sign-ins."""

"""What the desk does: sign people in, issue tokens, apply configurations. Load, decide, save, emit."""

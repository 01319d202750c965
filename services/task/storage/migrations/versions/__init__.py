"""One module a step, applied in order of `down_revision`."""

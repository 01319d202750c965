"""Rules of tasks: pure, `now` is an argument."""

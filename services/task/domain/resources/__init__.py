"""Resources and time: when something is free, who may book it, what time was spent (TASK-10). Pure."""

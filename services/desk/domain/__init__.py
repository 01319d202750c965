"""Pure rules of the desk: throttling of sign-in, what the directory becomes, how a task looks on a list."""

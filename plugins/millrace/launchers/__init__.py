"""What starts a step: a process on this machine, or a pod."""

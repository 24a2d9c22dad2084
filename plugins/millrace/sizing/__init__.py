"""What a run will take, before it starts: an analytic first plan."""

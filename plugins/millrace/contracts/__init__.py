"""What the rooms say to each other: frozen, versioned, and known to everyone."""

"""Contracts: the frozen, versioned pydantic models that packages and images exchange."""

"""Integrations. Each imports its tool, and nothing imports them."""

"""Verify tokens against rules. Nothing here knows a request, a cache or the settings."""

"""A module of a project that cannot be imported, and not for want of a module."""

raise RuntimeError("this module is broken")

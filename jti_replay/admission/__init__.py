"""The way of a request from its token to the view: find, verify, reserve, run."""

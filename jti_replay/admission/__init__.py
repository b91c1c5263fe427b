"""
The way of a request from its token to the view: find, verify, reserve, run.

:mod:`.admit` is the road that the decorator and the integrations share. :mod:`.view` runs a
decorated view.
"""

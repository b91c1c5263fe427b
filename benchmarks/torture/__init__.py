"""
Torture: tokens are sent several times at once while the parts of a site fail, and afterwards
an oracle reads in the audit table of the example project how often each was accepted.

    python -m benchmarks.torture --quick
"""

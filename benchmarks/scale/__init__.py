"""
Scale: what a given rate of tokens takes, how it spreads over the shards of a cluster, and what
more than one region does to the promise.

    python -m benchmarks.scale
"""

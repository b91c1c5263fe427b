"""What the guard costs, beside its peers, in one run. Only the ratios within a run hold."""

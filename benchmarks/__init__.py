"""What padscope costs, as ratios measured in one run. `python -m benchmarks` runs all."""

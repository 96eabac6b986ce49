"""Speed beside peers: every program here prints latencies and their ratios."""

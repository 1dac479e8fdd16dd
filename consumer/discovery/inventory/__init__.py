"""Names: what accounts said, laid out as one immutable snapshot that flows are joined with.

The path of a name: estate/ → rows (what a thing is called, its service) → routing and surroundings (who sees it) →
snapshot → snapshot_file. Does not belong here: asking AWS (reading/), joining (enrich/).
"""

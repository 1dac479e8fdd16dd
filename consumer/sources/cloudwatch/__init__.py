"""Source 2: log groups of CloudWatch Logs, polled within a budget of calls."""

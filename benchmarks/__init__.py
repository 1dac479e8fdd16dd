"""Speed, measured: every claim in README and docs comes from here, as ratios in one run."""

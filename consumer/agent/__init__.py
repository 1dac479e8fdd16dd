"""`vpcflow run`: one running agent.

Belongs here: what should be read (steering, failover), what is being read (conductor, factories), what went out already
(repeats), and what a fleet agrees on. `agent.py` is where all rooms meet. Does not: the way of a record (pipeline.py),
a source itself (sources/), options of the command (commands/).
"""

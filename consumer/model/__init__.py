"""Values that travel between rooms. They know nothing of sockets, clocks, AWS or each other's rooms."""

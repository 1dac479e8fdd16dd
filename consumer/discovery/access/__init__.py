"""Whether we may: each permission that the job needs, tried by the very calls it makes."""

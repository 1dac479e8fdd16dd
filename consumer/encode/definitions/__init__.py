"""Files that teach a collector the names of our own elements: `vpcflow elements --for COLLECTOR`.

Belongs here: one writer a collector, each a pure function from the catalogue's entries to the text of one file, and
the table of them (collectors.py). Does not: the elements themselves (enterprise.py), pages for people (docs/).
Nothing in a file is typed by hand: numbers, names, types and lengths come from the entries.
"""

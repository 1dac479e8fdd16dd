"""Objects and files in bounded memory: bytes in, chunks of whole lines or rows out, whoever brings them."""

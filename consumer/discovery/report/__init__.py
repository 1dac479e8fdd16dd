"""What discovery found, for people and their scripts: data, tables, sections of a configuration."""

"""What every page, table and chart is made of: the shell with its style, numbers as text, tables, charts."""

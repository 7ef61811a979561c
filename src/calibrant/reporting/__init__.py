"""Metrics and a table in, something to read out: HTML, figures, the terminal, Markdown."""

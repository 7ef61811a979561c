"""The human-AI study: design, store, web app, analysis."""

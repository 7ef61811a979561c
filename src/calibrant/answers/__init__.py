"""Asking: prompts, generation, and taking the answer out of the words."""

"""Adapters, losses and the one training loop. Knows nothing of estimators."""

"""Ways to get a score for an answer. One file per estimator."""

"""Is the answer right? One file per grader."""

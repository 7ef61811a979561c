"""The paper's experiments: a file a table or figure, each with its rule declared in it."""

"""Where documents come from: each source gives rows, each row a document."""

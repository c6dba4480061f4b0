"""The evaluate stage: what the labels say of quality, how sure that is, and whether a promise is broken."""

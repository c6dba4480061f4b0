"""Index: documents are cut, embedded once, put into a FAISS candidate, and gated before they are released."""

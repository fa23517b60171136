"""The JSON source: documents, their locations, and the typed tables staged from them."""

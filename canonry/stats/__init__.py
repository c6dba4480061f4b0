"""Statistics that stages share: each function says what it estimates and which paper it follows."""

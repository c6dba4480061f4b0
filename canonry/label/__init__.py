"""The label stage: choose what people look at, with known probabilities, and take in what they say."""

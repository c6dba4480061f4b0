"""A small real product that lives on the platform: a documentation assistant, its users and its reviewers.

Real: the knowledge base, retrieval, answers, latency, tokens. Simulated, and marked so in the data: dates, sessions,
users with their thumbs, reviewers with their labels.
"""

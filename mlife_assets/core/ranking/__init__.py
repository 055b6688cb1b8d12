"""Ranking quality: AP, NDCG and recall at depth k per user, their means, and the values of a random ranking."""

"""Ranking quality: AP, NDCG and recall at depth k per user, their means, and what a random ranking would get."""

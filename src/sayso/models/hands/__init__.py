"""Hands in pictures: 21 landmarks of each hand, by two published networks that are run as they are."""

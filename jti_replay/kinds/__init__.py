"""Kinds of tokens: where each is found in a request, and how a refusal is answered."""

"""Tokens: how programs, which cannot sign in, do a few things as an account."""

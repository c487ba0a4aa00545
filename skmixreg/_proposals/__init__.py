"""Proposals that know about labels."""

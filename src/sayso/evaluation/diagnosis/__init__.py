"""Diagnosis of "0 % success": in which convention a policy and what it drives differ, one idea a file."""

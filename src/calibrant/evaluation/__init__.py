"""Confidences and verdicts in, a report out. Works on tables from anywhere; knows no model."""

"""Hostile files, made from published attacks, and the program that tries them under watch."""

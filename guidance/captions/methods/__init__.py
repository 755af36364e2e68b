"""The caption methods; each file is one."""

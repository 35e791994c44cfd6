"""What one revision leaves for the next, in this process."""
rates = {}

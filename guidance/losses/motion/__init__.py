"""What losses of motions share."""

"""What generators of motions share."""

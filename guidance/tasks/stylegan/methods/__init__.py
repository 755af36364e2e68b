"""The methods of style_edit."""

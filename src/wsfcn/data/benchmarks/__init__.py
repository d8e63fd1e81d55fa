"""The field's public sets, from their archives to a folder that trains and back."""

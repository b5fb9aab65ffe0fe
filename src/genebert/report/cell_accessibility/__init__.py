"""Accessibility of held-out regions in each cell type, predicted from their sequence."""

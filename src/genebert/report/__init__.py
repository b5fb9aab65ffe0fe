"""What people read: tables, data card, curves."""

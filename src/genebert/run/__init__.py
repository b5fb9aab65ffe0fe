"""What a configuration asks for: models, data sets, rows of tables, files."""
